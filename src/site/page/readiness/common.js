// What the scripts that look at a list of attachments share; it stands before each of them.
// arguments[0] of all: {areas, places, listed: [css], aside: css or null}
const { areas, places, listed, aside } = arguments[0];
const fold = (text) => (text || '').replace(/\s+/g, ' ').trim().slice(0, 80).toWellFormed();
const plain = (text) => fold(text).toLowerCase().replace(/[^\p{Alphabetic}]+/gu, ' ').trim();
const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
const isWithin = (element, css) => css !== null && element.closest(css) !== null;
const all = (selectors) => selectors.flatMap((css) => [...document.querySelectorAll(css)]);
// parts of a page that speak of something else than what the page shows
const ELSEWHERE = 'nav, header, footer, aside, [role="navigation"], [role="banner"], [role="contentinfo"], [role="complementary"]';
const isElsewhere = (element) => isWithin(element, ELSEWHERE) || isWithin(element, aside);
