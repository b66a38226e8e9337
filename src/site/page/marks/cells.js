// Writes what another cell of its row says onto each element, as an attribute: the query that follows reads it from that
// very element, so no name can come to stand at another file, even if the page replaces its rows in between.
// arguments[0].cells: [[css, row, cell, attribute]]
const fold = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, 2000).toWellFormed();
for (const [css, row, cell, attribute] of arguments[0].cells) {
  for (const element of document.querySelectorAll(css)) {
    const found = element.closest(row)?.querySelector(cell);
    const shown = found?.innerText;
    const text = fold(typeof shown === 'string' ? shown : found?.textContent);
    if (element.getAttribute(attribute) !== text) element.setAttribute(attribute, text);
  }
}
// not null, which a dialog that breaks in gives as well
return true;
