// Reads a page as the verbs `query` and `document` of a session do.
const fold = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, 2000).toWellFormed();
const textOf = (element) => (typeof element.innerText === 'string' ? element.innerText : element.textContent);

const readAttribute = (element, name, css) => {
  if (name.startsWith('^')) {
    const holder = element.closest(`[${CSS.escape(name.slice(1))}]`);
    // what is around several is none's own
    const text = holder && holder.querySelectorAll(css).length <= 1 ? holder.getAttribute(name.slice(1)) : null;
    try {
      return text === null || text.trim() === '' ? null : new URL(text, element.ownerDocument.baseURI).href;
    } catch {
      return null;
    }
  }
  const isOfPage = name === 'href' && (element.getAttribute(name) || '').trim().startsWith('#');
  if (isOfPage) return element.ownerDocument.location.href.split('#')[0] + element.getAttribute(name).trim();
  const resolved = name === 'href' || name === 'src' ? element[name] : null;
  return typeof resolved === 'string' && element.hasAttribute(name) ? resolved : element.getAttribute(name);
};

const MOST = 5000;
const allOf = (doc, css) => {
  const found = [...doc.querySelectorAll(css)];
  if (found.length > MOST) throw new Error(`${found.length} elements fit ${css}, and no more than ${MOST} are read`);
  return found;
};

const readQueries = (doc, queries) =>
  queries.map(({ css, attributes }) =>
    allOf(doc, css).map((element) => {
      const found = attributes.map((name) => [name, readAttribute(element, name, css)]).filter(([, value]) => value !== null);
      const values = Object.fromEntries(found.map(([name, value]) => [name, value.toWellFormed()]));
      return { text: fold(textOf(element)), attributes: values };
    }),
  );

const readDocument = (w) => {
  const doc = w.document;
  const navigation = w.performance.getEntriesByType('navigation')[0];
  const shown = textOf(doc.body || doc.documentElement) || '';
  return {
    url: w.location.href,
    title: String(doc.title || '').toWellFormed(),
    text: shown.replace(/\s+/g, ' ').trim().slice(0, 20000).toWellFormed(),
    status: (navigation && navigation.responseStatus) || null,
  };
};
