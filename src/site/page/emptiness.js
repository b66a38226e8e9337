// What speaks for and against there being no attachment on a page that lists none. What is hidden says nothing, but what
// stands in a hidden area may well be an attachment.
// arguments[0]: {areas: [css], none, never, busy: css or null, words: [text]}
const { areas, none, never, busy, words } = arguments[0];
const fold = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, 80).toWellFormed();
const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
const isNever = (element) => never !== null && element.closest(never) !== null;

const COULD_BE =
  'a[href], a[onclick], area[href], button, [role="button"], [role="link"], [role="listitem"], [onclick], [download], ' +
  'input:not([type="hidden"]), img, iframe, object, embed';
const FILE_NAME =
  /[^\s\/.]\.(pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|msg|eml|csv|txt|xml|json|html?|zip|7z|rar|png|jpe?g|gif|tiff?|bmp|dwg|dxf|ste?p|p7m)\b/i;
const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
const word = '(?:' + escaped.join('|') + ')';
const number = '[(\\[]?\\s*([0-9]+)\\s*[)\\]]?';
// "Attachments (2)", "2 attachments": as the whole of a short text, since people write such things in comments, too
const COUNTED = [new RegExp('^' + word + '\\s*[:\\-\\u2013]?\\s*' + number + '$', 'i'), new RegExp('^' + number + '\\s*' + word + '$', 'i')];
const isCounted = (text) => words.length > 0 && COUNTED.some((form) => Number((form.exec(text) || [])[1] || 0) > 0);

// a count above zero, in an element's own text or with that of a badge beside it
const speaks = () => {
  if (!document.body || words.length === 0) return null;
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    for (const element of [node.parentElement, node.parentElement && node.parentElement.parentElement]) {
      if (!element || element.textContent.length > 200) continue;
      const text = fold(element.textContent);
      if (isCounted(text) && isShown(element) && !isNever(element)) return text;
    }
  }
  return null;
};

const named = (element) => {
  const text = ['aria-label', 'title', 'alt', 'href'].map((name) => element.getAttribute(name)).find(Boolean);
  return element.localName + ' ' + JSON.stringify(fold(element.textContent) || fold((text || '').split(/[?#]/)[0]));
};
const holds = (area) => {
  const all = [area, ...area.querySelectorAll('*')];
  // whatever a part of its own draws cannot be looked into
  const could = all.find((e) => (e.matches(COULD_BE) || e.shadowRoot || e.localName.includes('-')) && !isNever(e));
  if (could) return named(could);
  const text = fold(area.textContent);
  return FILE_NAME.test(area.textContent) ? 'the text ' + JSON.stringify(text) : null;
};

const found = areas.map((css) => [...document.querySelectorAll(css)]);
const marked = () => {
  if (busy === null) return null;
  const around = found.flat();
  const marks = around.flatMap((area) => [area.closest(busy), ...area.querySelectorAll(busy)]).filter(Boolean);
  // where the area itself is still to come, the whole page may say so
  if (found.some((list) => list.length === 0)) marks.push(...document.querySelectorAll(busy));
  // an area that hides itself because it is empty may be marked all the same
  const mark = marks.find((mark) => isShown(around.includes(mark) ? mark.parentElement || mark : mark));
  return mark ? mark.localName + (mark.className ? '.' + fold(String(mark.className)).replace(/ /g, '.') : '') : null;
};

// what a script has fetched for the first time: a page that asks for the same again and again is at rest all the same
const first = new Map();
for (const entry of performance.getEntriesByType('resource')) {
  if (!['fetch', 'xmlhttprequest', 'script'].includes(entry.initiatorType)) continue;
  const path = entry.name.split(/[?#]/)[0];
  if (!first.has(path)) first.set(path, entry.responseEnd);
}
const newest = Math.max(...first.values());

return {
  isComplete: document.readyState === 'complete',
  saysNone: none !== null && [...document.querySelectorAll(none)].some(isShown),
  // one that hides itself because it is empty is well; one in a part of the page that is folded up may fill when that opens
  areas: found.map((list) => ({ count: list.length, shown: list.filter((area) => isShown(area.parentElement || area)).length })),
  holds: found.flat().map(holds).find(Boolean) || null,
  speaks: speaks(),
  busy: marked(),
  fetchedBefore: Number.isFinite(newest) ? Math.max(0, performance.now() - newest) : null,
};
