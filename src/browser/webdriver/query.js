// arguments[0]: [{css, attributes}] -> one list per query of {text, attributes}, all well formed: a driver that finds
// half of a character that takes two gives no answer at all
const fold = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, 2000).toWellFormed();
const read = (element, name) => {
  const resolved = name === 'href' || name === 'src' ? element[name] : null;
  return typeof resolved === 'string' && element.hasAttribute(name) ? resolved : element.getAttribute(name);
};
const lists = [];
for (const query of arguments[0]) {
  const list = [];
  for (const element of document.querySelectorAll(query.css)) {
    const attributes = {};
    for (const name of query.attributes) {
      const value = read(element, name);
      if (value !== null) attributes[name] = value.toWellFormed();
    }
    const shown = element.innerText;
    list.push({ text: fold(typeof shown === 'string' ? shown : element.textContent), attributes });
  }
  lists.push(list);
}
return lists;
