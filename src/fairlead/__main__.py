"""``python -m fairlead`` is the command line."""

from fairlead.cli.main import main

raise SystemExit(main())
