const find = document.getElementById("find");
const status = document.getElementById("status");
const count = document.getElementById("count");
const rows = [...document.querySelectorAll("#tickets tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);

function filter() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const [row, text] of rows) {
    const hit = words.every((w) => text.includes(w)) && (!status.value || row.dataset.status === status.value);
    row.hidden = !hit;
    shown += hit;
  }
  count.textContent = shown + " shown";
}

find.addEventListener("input", filter);
status.addEventListener("change", filter);
filter();
