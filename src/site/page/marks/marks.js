// Marks what no selector can tell: links whose script fetches a file, and hidden copies of what is listed already.
// arguments[0]: {scripts: [css], listed: [css, copies included], neverTexts: [text], file, copy: names of the marks}
const { scripts, listed, neverTexts, file, copy } = arguments[0];
const findAll = (selectors) => [...new Set(selectors.flatMap((css) => [...document.querySelectorAll(css)]))];
const setMarks = (name, elements) => {
  const wanted = new Set(elements);
  for (const old of document.querySelectorAll(`[${name}]`)) if (!wanted.has(old)) old.removeAttribute(name);
  for (const element of wanted) if (!element.hasAttribute(name)) element.setAttribute(name, '');
};
const textOf = (element) => element.textContent.replace(/\s+/g, ' ').trim();
const NAMES = ['aria-label', 'title', 'download'];
const namesOf = (element) => [textOf(element), ...NAMES.map((name) => (element.getAttribute(name) || '').trim())].filter(Boolean);

// what a click would do, by what handlers and classes are called; the name of the file does not tell
const doingOf = (element, name) => {
  const told = [...element.attributes].filter((attribute) => !NAMES.includes(attribute.name) && attribute.name !== file && attribute.name !== copy);
  const all = told.map((attribute) => `${attribute.name} ${attribute.value}`).join(' ');
  return FILE_NAME.test(name) ? all.split(name).join(' ') : all;
};
const REMOVES = /delete|remove|destroy|trash|detach|unlink/i;
const FETCHES = /download(?![-_ ]?all)|attachment[-_]?file|get[-_]?file/i;
const isScripted = (element) => {
  if (element.matches('button, input, select, textarea, label')) return false;
  const href = element.getAttribute('href');
  if (href === null) return element.localName !== 'a' || element.hasAttribute('onclick') || !element.hasAttribute('name');
  const to = href.trim();
  return ['', '#', '#!'].includes(to) || /^javascript:/i.test(to) || (to.startsWith('#') && element.hasAttribute('onclick'));
};
const fetching = () => {
  const others = findAll(listed).filter((one) => !one.hasAttribute(file));
  const known = others.flatMap(namesOf).map((name) => name.toLowerCase()).filter((name) => FILE_NAME.test(name));
  const isOthers = (name) => known.some((other) => other !== name && speaksOf(name, other, neverTexts));
  const isOfRow = (element) => {
    const row = element.closest('li, tr');
    return row !== null && others.some((one) => row.contains(one));
  };
  const isFile = (element) => {
    if (!isScripted(element) || others.some((one) => one.contains(element) || element.contains(one))) return false;
    const text = textOf(element);
    const name = text || namesOf(element)[0] || '';
    const doing = doingOf(element, name);
    if (REMOVES.test(doing)) return false;
    if (!FILE_NAME.test(name)) return FETCHES.test(doing) && !isOfRow(element);
    // what shows no name of its own may stand beside what does
    const own = name.toLowerCase();
    return text === '' ? !known.some((other) => own.includes(other)) : !isOthers(own);
  };
  // those that say a name first: the others may speak of them
  const [named, unnamed] = [(one) => FILE_NAME.test(textOf(one)), (one) => !FILE_NAME.test(textOf(one))].map((is) => findAll(scripts).filter(is));
  const first = named.filter(isFile);
  known.push(...first.map((one) => textOf(one).toLowerCase()));
  const found = [...first.filter((one) => !isOthers(textOf(one).toLowerCase())), ...unnamed.filter(isFile)];
  return found.filter((element) => !found.some((other) => other !== element && element.contains(other)));
};
setMarks(file, fetching());

// A page may hold a list twice, for wide and for narrow screens, and show one of them. What the hidden one has beyond the other
// is listed.
const isVisible = (element) => element.checkVisibility({ visibilityProperty: true });
const identity = (element) => {
  const isWeb = element.localName === 'a' && /^https?:/.test(element.href);
  if (isWeb && !element.hasAttribute(file)) return element.href.split('#')[0];
  const holder = element.closest('[data-url]');
  return [namesOf(element)[0], element.getAttribute('aria-label'), holder && holder.getAttribute('data-url')].join('\n');
};
const hiddenPart = (element) => {
  let part = element;
  while (part.parentElement && !isVisible(part.parentElement)) part = part.parentElement;
  return part;
};
const copies = () => {
  const all = findAll(listed);
  const visible = all.filter(isVisible);
  const parts = Map.groupBy(all.filter((element) => !visible.includes(element)), hiddenPart);
  const found = [];
  for (const [part, hidden] of parts) {
    if (isFolded(part)) continue;
    let around = part.parentElement;
    while (around && !visible.some((element) => around.contains(element))) around = around.parentElement;
    if (!around) continue;
    const beside = visible.filter((element) => around.contains(element));
    const rest = [...hidden];
    const taken = beside.map((element) => {
      const at = rest.findIndex((other) => identity(other) === identity(element));
      return at < 0 ? null : rest.splice(at, 1)[0];
    });
    if (taken.every(Boolean)) found.push(...taken);
  }
  return found;
};
setMarks(copy, copies());
