// Clicks the next thing on the page that shows more of its list, if there is one.
// arguments[0]: {open, more: [{css, texts}], areas, places, listed: [css], aside: css or null, isLook} -> null, or
// {kind, text} of what was clicked; with isLook nothing is clicked
const { open, more, isLook } = arguments[0];
const KEY = Symbol.for('coupa-batch.clicked');
if (!window[KEY]) Object.defineProperty(window, KEY, { value: { elements: new WeakSet(), counts: new Map(), most: new Map() } });
const clicked = window[KEY];
const label = (element) => element.textContent.trim() || element.getAttribute('aria-label') || element.getAttribute('title') || element.value || '';
const attachments = all(listed);

// leads nowhere else and sends nothing
const isHarmless = (element) => {
  const link = element.closest('a, area');
  if (link) {
    const target = (link.getAttribute('href') ?? link.getAttribute('xlink:href') ?? '').trim();
    const isHere = target === '' || target.startsWith('#') || /^javascript:/i.test(target);
    const leadsTo = () => (URL.canParse(target, document.baseURI) ? new URL(target, document.baseURI).href : '');
    if (!isHere && leadsTo().split('#')[0] !== location.href.split('#')[0]) return false;
  }
  const sends = element.closest('button, input');
  return !(sends && sends.form && ['submit', 'image', 'reset'].includes(sends.type));
};
const isDone = (element) =>
  element.disabled || (element.localName === 'summary' && element.parentElement.open === true) || ['aria-disabled', 'aria-selected', 'aria-expanded'].some((name) => element.getAttribute(name) === 'true');
const isFree = (element) =>
  isShown(element) && isHarmless(element) && !isElsewhere(element) && !isDone(element) &&
  !attachments.some((one) => one === element || one.contains(element));
const found = ({ css, texts }) =>
  [...document.querySelectorAll(css)].filter((element) => (texts.length === 0 || texts.includes(plain(label(element)))) && isFree(element));

// where attachments stand, and the part of the page around
const REGION = 'section, article, fieldset, td, li, details, [role="region"], [role="tabpanel"], [role="group"]';
const around = new Set();
for (const spot of [...all(areas), ...all(places), ...attachments.map((one) => one.closest('ul, ol, table, div') || one)]) {
  around.add(spot);
  const region = spot.parentElement && spot.parentElement.closest(REGION);
  if (region) around.add(region);
  else if (spot.parentElement && !['BODY', 'MAIN'].includes(spot.parentElement.tagName)) around.add(spot.parentElement);
}
const isNear = (element) => [...around].some((part) => part.contains(element));

const click = (kind, element) => {
  const text = fold(label(element));
  if (!isLook) {
    clicked.elements.add(element);
    clicked.counts.set(text, (clicked.counts.get(text) || 0) + 1);
    element.scrollIntoView({ block: 'center' });
    element.click();
  }
  return { kind, text };
};

for (const control of open) {
  const candidates = found(control);
  for (const element of candidates) {
    const text = fold(label(element));
    const most = Math.max(clicked.most.get(text) || 0, candidates.filter((other) => fold(label(other)) === text).length);
    clicked.most.set(text, most);
    // each once, also where a click renders it anew
    if (!clicked.elements.has(element) && (clicked.counts.get(text) || 0) < most) return click('open', element);
  }
}
for (const control of more) {
  const element = found(control).find(isNear);
  if (element) return click('more', element);
}
// not null, which a dialog that breaks in gives as well
return false;
