"""Names that are known without a model: countries and cities, common first names, words that mark an organisation.

Written for this project from general knowledge; small on purpose. A name in none of these lists is typed by its
context or stays ``other``.
"""

from __future__ import annotations

from fairlead.pipeline.text.wordset import word_set


def _lines(text: str) -> frozenset[str]:
    return frozenset(name.strip() for line in [" ".join(text.split())] for name in line.split(",") if name.strip())


PLACES = _lines(
    """
    Afghanistan, Albania, Algeria, Argentina, Armenia, Australia, Austria, Azerbaijan, Bangladesh, Belarus,
    Belgium, Bolivia, Bosnia, Brazil, Britain, Great Britain, Bulgaria, Cambodia, Cameroon, Canada, Chile,
    China, Colombia, Congo, Costa Rica, Croatia, Cuba, Cyprus, Czech Republic, Denmark, Ecuador, Egypt, El
    Salvador, England, Estonia, Ethiopia, Finland, France, Georgia, Germany, Ghana, Greece, Guatemala, Haiti,
    Honduras, Hungary, Iceland, India, Indonesia, Iran, Iraq, Ireland, Israel, Italy, Jamaica, Japan, Jordan,
    Kazakhstan, Kenya, Korea, Kosovo, Kuwait, Latvia, Lebanon, Liberia, Libya, Lithuania, Luxembourg, Malaysia,
    Mali, Malta, Mexico, Moldova, Mongolia, Morocco, Mozambique, Myanmar, Namibia, Nepal, Netherlands, New
    Zealand, Nicaragua, Niger, Nigeria, North Korea, Norway, Oman, Pakistan, Palestine, Panama, Paraguay, Peru,
    Philippines, Poland, Portugal, Qatar, Romania, Russia, Rwanda, Saudi Arabia, Scotland, Senegal, Serbia,
    Singapore, Slovakia, Slovenia, Somalia, South Africa, South Korea, Spain, Sri Lanka, Sudan, Sweden,
    Switzerland, Syria, Taiwan, Tanzania, Thailand, Tunisia, Turkey, Uganda, Ukraine, United Arab Emirates,
    United Kingdom, United States, United States of America, Uruguay, Uzbekistan, Venezuela, Vietnam, Wales,
    Yemen, Zambia, Zimbabwe, America, Europe, Asia, Africa, Antarctica, Oceania, North America, South America,
    Latin America, Middle East, Eastern Europe, Western Europe, Soviet Union, European Union, USA, US, U.S., UK,
    U.K., EU, Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, Florida, Hawaii,
    Idaho, Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland, Massachusetts, Michigan,
    Minnesota, Mississippi, Missouri, Montana, Nebraska, Nevada, New Hampshire, New Jersey, New Mexico, New
    York, North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania, Rhode Island, South Carolina,
    South Dakota, Tennessee, Texas, Utah, Vermont, Virginia, West Virginia, Wisconsin, Wyoming, Washington,
    Washington D.C., London, Paris, Berlin, Madrid, Rome, Vienna, Brussels, Amsterdam, Copenhagen, Stockholm,
    Oslo, Helsinki, Warsaw, Prague, Budapest, Athens, Dublin, Lisbon, Zurich, Geneva, Munich, Hamburg,
    Frankfurt, Barcelona, Milan, Moscow, Kiev, Kyiv, Istanbul, Ankara, Baghdad, Damascus, Tehran, Jerusalem, Tel
    Aviv, Beirut, Cairo, Dubai, Doha, Riyadh, Kabul, Mosul, Aleppo, Benghazi, Tripoli, Beijing, Shanghai,
    Shenzhen, Hong Kong, Tokyo, Osaka, Kyoto, Seoul, Bangkok, Hanoi, Manila, Jakarta, Delhi, New Delhi, Mumbai,
    Bangalore, Karachi, Sydney, Melbourne, Toronto, Montreal, Vancouver, Ottawa, Mexico City, Buenos Aires, Rio
    de Janeiro, Sao Paulo, Santiago, Lima, Bogota, Caracas, Havana, New York City, Los Angeles, Chicago,
    Houston, Phoenix, Philadelphia, San Antonio, San Diego, Dallas, San Jose, San Francisco, Seattle, Denver,
    Boston, Detroit, Nashville, Baltimore, Portland, Las Vegas, Atlanta, Miami, Oakland, Cleveland, New Orleans,
    Charlotte, Orlando, St. Louis, Hempstead, Flint, Ferguson, Guantanamo, Hiroshima, Crimea, Cambridge, Oxford,
    Edinburgh, Glasgow, Manchester, Liverpool, Silicon Valley, Wall Street, White House, Capitol Hill, Pearl
    Harbor, Persian Gulf, Pacific, Atlantic
    """
)

FIRST_NAMES = _lines(
    """
    Aaron, Abraham, Adam, Alan, Albert, Alex, Alexander, Alexandra, Alice, Allen, Alicia, Amanda, Amy, Ana,
    Andrea, Andreas, Andrew, Andy, Angela, Anita, Ann, Anna, Anne, Anthony, Antonio, Arthur, Barack, Barbara,
    Ben, Benjamin, Bernard, Bernie, Beth, Bill, Bob, Brad, Brian, Bruce, Carl, Carla, Carlos, Carol, Caroline,
    Catherine, Charles, Charlie, Chelsea, Chris, Christian, Christina, Christine, Christopher, Claire, Clara,
    Colin, Craig, Dan, Daniel, Dave, David, Dean, Deborah, Denis, Dennis, Diana, Diane, Dick, Dominique, Don,
    Donald, Doug, Douglas, Ed, Eddie, Edward, Elaine, Elena, Elizabeth, Ellen, Emily, Emma, Eric, Erik, Ernst,
    Eva, Evan, Frank, François, Fred, Gary, Geoff, George, Gerald, Gina, Glenn, Gordon, Grace, Greg, Guido,
    Hannah, Hans, Harold, Harry, Helen, Henry, Hillary, Howard, Hugh, Ian, Irene, Ivan, Jack, Jacob, Jake,
    James, Jane, Janet, Jason, Jay, Jean, Jeff, Jeffrey, Jennifer, Jeremy, Jerry, Jess, Jessica, Jim, Jimmy,
    Joan, Joe, Johan, Johannes, John, Johnny, Jon, Jonathan, Jordan, Jose, Joseph, Josh, Joshua, Juan, Judith,
    Judy, Julia, Julian, Julie, Justin, Karen, Karl, Kate, Katherine, Kathleen, Kathy, Keith, Kelly, Ken,
    Kenneth, Kevin, Kim, Kurt, Larry, Laura, Lauren, Lee, Leo, Leon, Leonard, Lester, Lewis, Lily, Linda, Lisa,
    Louis, Lucas, Lucy, Luis, Luke, Marc, Marco, Margaret, Maria, Marie, Mario, Mark, Martha, Martin, Mary,
    Matt, Matthew, Max, Megan, Melissa, Michael, Michel, Michelle, Miguel, Mike, Mitch, Mohammed, Monica, Nancy,
    Nathan, Neil, Nick, Nicholas, Nicole, Nina, Noah, Oliver, Olivia, Oscar, Pablo, Pamela, Patricia, Patrick,
    Paul, Paula, Pedro, Peter, Phil, Philip, Rachel, Ralph, Randy, Ray, Raymond, Rebecca, Richard, Rick, Rob,
    Robert, Robin, Roger, Roland, Ron, Ronald, Rosa, Rose, Roy, Russell, Ruth, Ryan, Sam, Samuel, Sandra, Sara,
    Sarah, Scott, Sean, Sebastian, Sergio, Seth, Shannon, Sharon, Simon, Sofia, Sophie, Stefan, Stephanie,
    Stephen, Steve, Steven, Stuart, Sue, Susan, Ted, Teresa, Terry, Theresa, Thomas, Tim, Timothy, Tina, Todd,
    Tom, Tony, Tracy, Tyler, Valerie, Vanessa, Victor, Victoria, Vincent, Virginia, Vladimir, Walter, Wayne,
    Wendy, William, Willy, Xavier, Yuri, Zach, Zoe
    """
)

TITLES = word_set(
    """
    Mr Mrs Ms Dr Prof Professor Secretary Senator Sen Governor Gov President Congressman Congresswoman Judge
    Justice General Admiral Captain Sir Lord Lady King Queen Prince Pope Minister Ambassador Director Mayor
    """
)

ORGANISATION_WORDS = word_set(
    """
    Inc Inc. Corp Corp. Corporation Company Co. Ltd Ltd. LLC GmbH AG Group Holdings Partners University College
    Institute School Academy Foundation Association Consortium Society Council Committee Commission Agency
    Authority Bureau Department Ministry Office Bank Party Union League Alliance Federation Organization
    Organisation Center Centre Hospital Laboratory Laboratories Labs Lab Museum Army Navy Police Congress Senate
    Parliament Court Administration News Times Post Journal Press Media Team Working-Group
    """
)
ORGANISATIONS = _lines(
    """
    Google, Microsoft, Apple, Amazon, Facebook, Meta, Intel, IBM, Mozilla, Samsung, Huawei, Oracle, Nvidia,
    NVIDIA, AMD, ARM, Twitter, Netflix, Alibaba, Baidu, Tencent, Adobe, Cisco, Dell, HP, Sony, Siemens, Nokia,
    Ericsson, Qualcomm, OpenAI, Anthropic, DeepMind, GitHub, GitLab, Red Hat, Spotify, Uber, Airbnb, Tesla,
    Ford, Boeing, Carrier, W3C, IETF, ISO, IEEE, NATO, UN, United Nations, FBI, CIA, NSA, IRS, NASA, EPA, ICE,
    DNC, GOP, NRA, WTO, WHO, IMF, ISIS, Hezbollah, Taliban, CNN, NBC, ABC, CBS, BBC, Fox News, Pentagon, State
    Department, Supreme Court, Federal Reserve, Clinton Foundation, Trump Foundation, Democratic Party,
    Republican Party, Planned Parenthood, Wells Fargo, Python Software Foundation, Free Software Foundation,
    Apache Software Foundation, Linux Foundation, Unicode Consortium, World Bank, MIT, Stanford, Harvard,
    Tidelift, NumFOCUS, Pydantic
    """
)
"""Organisations that no ending gives away."""

TECHNOLOGIES = _lines(
    """
    Python, JavaScript, Java, Rust, Ruby, Perl, Go, Haskell, Scala, Kotlin, Swift, Cython, CPython, PyPy,
    Jython, C, C++, PHP, Fortran, Lua, WebAssembly, Wasm, Node.js, Django, Flask, Tornado, Twisted, Trio, React,
    Angular, NumPy, SciPy, pandas, Pandas, Jupyter, IPython, Sphinx, PyPI, Git, Docker, Kubernetes, Linux,
    Windows, macOS, Android, iOS, Unix, Ubuntu, Debian, Chrome, Firefox, Safari, Edge, Chromium, OpenGL, WebGL,
    WebGPU, WebNN, WebRTC, Vulkan, Metal, CUDA, OpenMP, OpenCL, DirectML, TensorFlow, TensorFlow.js, PyTorch,
    Keras, ONNX, ONNX.js, ml5.js, Caffe, CoreML, Core ML, OpenCV, OpenVINO, BERT, GPT, Unicode, ASCII, UTF-8,
    HTML, HTML5, CSS, XML, JSON, YAML, TOML, CSV, SVG, HTTP, HTTPS, HTTP/2, TLS, SSL, TCP, DNS, IDNA, REST,
    GraphQL, OpenTelemetry, OpenAPI, JSON Schema, Markdown, CommonMark, reStructuredText, LaTeX, WebVTT, SQLite,
    PostgreSQL, MySQL, Redis, Bluetooth, Raspberry Pi, Arduino, GPU, CPU, API, DOM
    """
)

NOT_NAMES = word_set(
    """
    I A An The This That These Those It He She We You They And But Or So If When While As At In On For From To
    Of With By Not No Yes Well Now Then There Here What Who How Why Where Which Whether Because Although However
    Also Just Let Please Thank Thanks Hello Hi Hey Okay OK Ok Note See Use Using Click Next First Second Third
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August
    September October November December My Your His Her Our Their Its Some Any All Each Every Both Most Many
    Much More Other Another Such Only Even Still Once Since Until Before After During Good Great Old Never
    Always True False None TODO FAQ README Slide Chapter Figure Table Section Part Page Version Inc Let's I'm
    I've I'd I'll It's That's There's We're We've You're They're Don't Can't Won't Doesn't Isn't God Oh Um Uh
    TypeError ValueError Changed Added Raises Returns Return Raise Deprecated Changes Fix Fixed Is Are Was Were
    Be Been Do Does Did Has Have Had Can Could Will Would Should May Might Must Sir Look Listen Right Sure Maybe
    Actually Secondly Firstly Finally Today Tomorrow Yesterday OR AND IF NOT THE ALL ANY WITH WITHOUT
    """
)

DEMONYMS = _lines(
    """
    American, Americans, African, Africans, African-American, African-Americans, Asian, European, Europeans,
    British, English, French, German, Germans, Italian, Spanish, Russian, Russians, Chinese, Japanese, Korean,
    Indian, Mexican, Mexicans, Iranian, Iranians, Iraqi, Syrian, Syrians, Israeli, Arab, Arabs, Latino, Latinos,
    Hispanic, Hispanics, Muslim, Muslims, Christian, Christians, Jewish, Catholic, Catholics, Republican,
    Republicans, Democrat, Democrats, Democratic, Kurds, Kurdish, Sunni, Shia, Western, Canadian, Australian,
    Dutch, Swedish, Greek, Turkish, Ukrainian, Polish, Cuban, Haitian, Saudi, Saudis, Haitians, Islamic, Welsh,
    Scottish, Irish
    """
)
"""Peoples, faiths and parties' members: adjectives more than names, so they are no entities here."""

ALIASES = {
    "U.S": "United States",
    "US": "United States",
    "USA": "United States",
    "United States of America": "United States",
    "UK": "United Kingdom",
    "U.K": "United Kingdom",
    "EU": "European Union",
}

COMMON_ACRONYMS = word_set(
    """
    API APIs URL URLs UI UIs ID IDs IP FAQ OS CI CD CLI IDE IDEs OK TV PC PDF FOR PEP PEPs RFC USE AM PM ML AI
    UX SDK SDKs JS TODO EOF BOM
    """
)
"""Too common to tell anything by their presence."""
