const box = document.getElementById("search");
const words = box.querySelector("input");
const kind = box.querySelector("select");
const told = box.querySelector("output");
const rows = Array.from(document.querySelectorAll(".sample"), (row) => [row, row.textContent.toLowerCase()]);
const narrow = () => {
  const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const [row, text] of rows) {
    const fits = (!kind.value || row.dataset.kind === kind.value) && sought.every((word) => text.includes(word));
    row.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  told.textContent = shown.toLocaleString("en") + " of " + rows.length.toLocaleString("en");
};
words.addEventListener("input", narrow);
kind.addEventListener("change", narrow);
box.hidden = false;
narrow();
