// arguments[0]: [{css, attributes}] -> one list per query of {text, attributes}. All text is well formed: a driver does
// not respond at all to text with an unpaired surrogate.
const fold = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, 2000).toWellFormed();
const read = (element, name, css) => {
  if (name.startsWith('^')) {
    const holder = element.closest(`[${CSS.escape(name.slice(1))}]`);
    // what is around several is none's own
    const text = holder && holder.querySelectorAll(css).length <= 1 ? holder.getAttribute(name.slice(1)) : null;
    try {
      return text === null || text.trim() === '' ? null : new URL(text, document.baseURI).href;
    } catch {
      return null;
    }
  }
  const isOfPage = name === 'href' && (element.getAttribute(name) || '').trim().startsWith('#');
  if (isOfPage) return location.href.split('#')[0] + element.getAttribute(name).trim(); // whatever the base of its addresses is
  const resolved = name === 'href' || name === 'src' ? element[name] : null;
  return typeof resolved === 'string' && element.hasAttribute(name) ? resolved : element.getAttribute(name);
};
const MOST = 5000;
const lists = [];
for (const query of arguments[0]) {
  const list = [];
  const found = document.querySelectorAll(query.css);
  if (found.length > MOST) throw new Error(`${found.length} elements fit ${query.css}, and no more than ${MOST} are read`);
  for (const element of found) {
    const attributes = {};
    for (const name of query.attributes) {
      const value = read(element, name, query.css);
      if (value !== null) attributes[name] = value.toWellFormed();
    }
    const shown = element.innerText;
    list.push({ text: fold(typeof shown === 'string' ? shown : element.textContent), attributes });
  }
  lists.push(list);
}
return lists;
