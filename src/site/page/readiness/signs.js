// What a page says of its own list of attachments: whether it is complete, what counts it, what is still to come. What is
// hidden says nothing, but what stands in a hidden area may well be an attachment.
// arguments[0]: {areas: [css], places: [css], listed: [css], wider: [css], web: [css], notes: [css], none, never, busy, aside, comments: css or null,
// allowedHosts: [text], words: [text], neverTexts: [text], patience: milliseconds, untilComplete, unfetchedFor: milliseconds} -> promise
const { wider, none, never, busy, comments, words, neverTexts } = arguments[0];
const { web, notes, allowedHosts, patience, untilComplete, unfetchedFor } = arguments[0];
const says = (element) => plain(element.textContent) || plain(element.getAttribute('aria-label') || element.getAttribute('title') || '');
const isNeverText = (element) => neverTexts.includes(plain(element.getAttribute('aria-label') || '') || says(element));
const isNever = (element) => {
  if (isWithin(element, never)) return true;
  const control = element.closest('a, button, [role="button"], [role="link"], label');
  return control !== null && neverTexts.includes(says(control));
};
const innermost = (elements) => {
  const unique = [...new Set(elements)];
  return unique.filter((element) => !unique.some((other) => other !== element && element.contains(other)));
};
// attachments that are no files: named, and not fetched
const leadsAway = (element) => {
  const address = element.href || element.dataset.url || '';
  if (!URL.canParse(address)) return false;
  const { host, hostname } = new URL(address);
  return host !== location.host && !allowedHosts.includes(hostname); // files may come from there
};
const others = () => [...all(web).filter(leadsAway), ...all(notes)];
const listing = () => {
  const strict = innermost([...all(listed).filter((one) => one.matches('a') || !isNeverText(one)), ...others()]);
  return strict.length > 0 ? strict : innermost(all(wider));
};
// where attachments stand, on this page, and where none of another order do
const own = (elements) => elements.filter((element) => !isWithin(element, aside));
const spots = (attachments) => [...own(all(areas)), ...own(all(places)), ...attachments];

const COULD_BE =
  'a[href], a[onclick], area[href], button, [role="button"], [role="link"], [role="listitem"], [onclick], [download], ' +
  'input:not([type="hidden"]), img, iframe, object, embed';
const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
const word = '(?:' + escaped.join('|') + ')(?:\\s?\\([a-z]{1,3}\\))?';
const [open, close, of] = ['[(\\[\\uff08]?\\s*', '\\s*[)\\]\\uff09]?', '\\s*(?:of|de|von|sur|di|out of|\\/)\\s*'];
const range = '(?:[0-9]+\\s*[-\\u2013]\\s*)?[0-9]+';
// "Attachments (2)", "2 attachments", "5 of 7 attachments": as the whole of a short text, since people write such things
// in comments, too. The last group is how many there are.
const COUNTED = [
  '^' + word + '\\s*[:\\-\\u2013\\uff1a]?\\s*[(\\[\\uff08]\\s*([0-9]+)(?:\\s*' + word + ')?' + close + '$',
  '^' + word + '\\s*[:\\uff1a]\\s*([0-9]+)(?:\\s*' + word + ')?$',
  // "Document 4500012345" is a number, and no count
  '^' + word + '\\s*[\\-\\u2013]?\\s*([0-9]{1,3})(?:\\s*' + word + ')?$',
  '^' + open + '([0-9]+)\\s*' + word + close + '$',
  '^(?:\\p{L}+\\s){0,2}' + range + of + '([0-9]+)\\s*' + word + '$',
  '^' + word + '\\s*[:\\-\\u2013]?\\s*' + open + range + of + '([0-9]+)' + close + '$',
].map((form) => new RegExp(form, 'iu'));
// "Showing 5 of 7", where attachments stand
const SHARE = new RegExp('^(?:\\p{L}+\\s){0,2}' + range + of + '([0-9]+)(?:\\s\\p{L}+){0,2}$', 'iu');
const numberIn = (text, forms) => {
  const found = forms.map((form) => form.exec(text)).find(Boolean);
  return found ? Number(found[found.length - 1]) : 0;
};

// Counts above zero of which not all is listed: of a heading for what stands in the nearest part of the page around it.
const unmet = () => {
  const attachments = listing();
  const around = spots(attachments);
  const inside = (element) => attachments.filter((one) => element.contains(one)).length;
  const shortfall = (element, number) => {
    let scope = element;
    while (scope && !around.some((spot) => scope.contains(spot))) scope = scope.parentElement;
    const nearest = scope ? inside(scope) : attachments.length;
    if (nearest >= number) return null;
    // or for all of a larger part, such as the whole page
    for (let part = scope; part; part = part.parentElement) if (inside(part) === number) return null;
    return number > attachments.length ? attachments.length : nearest;
  };
  const found = [];
  const note = (element, text, number) => {
    if (number === 0 || found.length >= 5 || !isShown(element)) return;
    if (attachments.some((one) => one.contains(element))) return; // its own name
    if (isNever(element) || isElsewhere(element) || isWithin(element, comments)) return;
    const has = shortfall(element, number);
    if (has !== null && !found.some((other) => other.text === text)) found.push({ text, number, listed: has });
  };
  const walker = document.body ? document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT) : null;
  for (let node = walker && walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!parent || !/[0-9]/.test(node.data)) continue;
    // a count in an element's own text or with that of a badge beside it
    for (const element of [parent, parent.parentElement]) {
      if (!element || element.textContent.length > 200) continue;
      const text = fold(element.textContent);
      const isAmong = around.some((spot) => spot !== element && !attachments.includes(spot) && spot.contains(element));
      const number = (words.length > 0 ? numberIn(text, COUNTED) : 0) || (isAmong ? numberIn(text, [SHARE]) : 0);
      note(element, text, number);
    }
  }
  for (const element of attachments) {
    const item = element.closest('[aria-setsize]');
    if (item && item.parentElement) note(item.parentElement, 'aria-setsize=' + item.ariaSetSize, Number(item.ariaSetSize) || 0);
  }
  return found;
};

const named = (element) => {
  const text = ['aria-label', 'title', 'alt', 'href'].map((name) => element.getAttribute(name)).find(Boolean);
  return element.localName + ' ' + JSON.stringify(fold(element.textContent) || fold((text || '').split(/[?#]/)[0]));
};
const holds = (area) => {
  const nonFiles = others();
  const asides = aside === null ? [] : [...area.querySelectorAll(aside)];
  const isOther = (node) => [...nonFiles, ...asides].some((other) => other.contains(node));
  const parts = [area, ...area.querySelectorAll('*')].filter((element) => !isOther(element));
  // whatever a part of its own draws cannot be looked into
  const could = parts.find((e) => (e.matches(COULD_BE) || e.shadowRoot || e.localName.includes('-')) && !isNever(e));
  if (could) return named(could);
  const texts = [];
  const walker = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) if (!isOther(node)) texts.push(node.data);
  const text = [texts.join(''), texts.join(' ')].find((text) => FILE_NAME.test(text));
  return text === undefined ? null : 'the text ' + JSON.stringify(fold(text));
};

// What looks like a file where attachments stand and is not listed, although others are: all that they say with the name of a
// file in it, unless that is the name of a listed one, as on a button that removes it.
const CONTROL = 'a[href], a[onclick], button, [role="button"], [role="link"], [onclick], [download], [data-url]';
const wordsOf = (element) => {
  const texts = ['title', 'aria-label', 'download'].map((name) => element.getAttribute(name));
  return [element.textContent, ...texts].map(fold).filter(Boolean);
};
const stray = () => {
  const attachments = listing();
  const known = [...attachments, ...others()];
  if (attachments.length === 0) return null;
  const small = (text) => text.toLowerCase();
  const addressed = (element) => {
    const address = element.href || element.dataset.url || '';
    if (typeof address !== 'string' || !URL.canParse(address, document.baseURI)) return [];
    const last = new URL(address, document.baseURI).pathname.split('/').pop();
    try {
      return [fold(decodeURIComponent(last))];
    } catch {
      return [fold(last)];
    }
  };
  // what is not named like a file may be a part of any name
  const names = known.flatMap((one) => [...wordsOf(one), ...addressed(one)]).map(small).filter((name) => FILE_NAME.test(name));
  const isKnown = (text) => names.some((name) => small(text).includes(name) || name.includes(small(text)));
  // what is shown of one is its own name; what is only told of it may speak of another
  const isShownKnown = (text) => names.some((name) => speaksOf(small(text), name, neverTexts));
  const isStray = (element) => {
    if (isNever(element) || isWithin(element, aside) || known.some((one) => one.contains(element) || element.contains(one))) return false;
    const words = wordsOf(element);
    const shown = fold(element.textContent);
    if (FILE_NAME.test(shown)) return !isShownKnown(shown);
    return words.some((text) => FILE_NAME.test(text)) && !words.some(isKnown);
  };
  const found = own([...all(areas), ...all(places)]).flatMap((spot) => [...spot.querySelectorAll(CONTROL)]).filter(isStray);
  return found.length > 0 ? { text: found[0].localName + ' ' + JSON.stringify(wordsOf(found[0]).find((text) => FILE_NAME.test(text))), count: innermost(found).length } : null;
};

const marked = () => {
  const attachments = listing();
  const around = spots(attachments);
  const marks = [];
  if (busy !== null) {
    const lists = attachments.map((one) => one.closest('ul, ol, table, section, fieldset, [role="region"]')).filter(Boolean);
    for (const spot of new Set([...around, ...lists])) marks.push(spot.closest(busy), ...spot.querySelectorAll(busy));
    // where the area itself is still to come, the whole page may say so
    if (attachments.length === 0 && areas.some((css) => document.querySelector(css) === null)) {
      marks.push(...document.querySelectorAll(busy));
    }
  }
  marks.push(...[...document.querySelectorAll('[aria-busy="true"]')].filter((mark) => !isElsewhere(mark)));
  // an area that hides itself because it is empty may be marked all the same
  const mark = marks.filter(Boolean).find((mark) => isShown(around.includes(mark) ? mark.parentElement || mark : mark));
  return mark ? mark.localName + (mark.className ? '.' + fold(String(mark.className)).replace(/ /g, '.') : '') : null;
};

// what a script has fetched for the first time: a page that asks for the same again and again is at rest all the same
const fetchedBefore = () => {
  const first = new Map();
  for (const entry of performance.getEntriesByType('resource')) {
    if (!['fetch', 'xmlhttprequest', 'script'].includes(entry.initiatorType)) continue;
    const path = entry.name.split(/[?#]/)[0];
    if (!first.has(path)) first.set(path, entry.responseEnd);
  }
  const newest = Math.max(...first.values());
  return Number.isFinite(newest) ? Math.max(0, Math.round(performance.now() - newest)) : null;
};

// the same area again, for a screen of another width: hidden as a whole, by nothing that opens, and as empty as the one that is
// shown
const isSpare = (area) => {
  let part = area;
  while (part.parentElement && !isShown(part.parentElement)) part = part.parentElement;
  return !isFolded(part) && holds(area) === null;
};

const tell = () => {
  const found = areas.map((css) => own([...document.querySelectorAll(css)]));
  return {
    isComplete: document.readyState === 'complete',
    saysNone: none !== null && [...document.querySelectorAll(none)].some(isShown),
    // one that hides itself because it is empty is well; one in a part of the page that is folded up may fill when that opens
    areas: found.map((list) => {
      const shown = list.filter((area) => isShown(area.parentElement || area));
      return { count: list.length, shown: shown.length + (shown.length > 0 ? list.filter((area) => !shown.includes(area) && isSpare(area)).length : 0) };
    }),
    holds: found.flat().map(holds).find(Boolean) || null,
    placesHold: own(all(places)).filter((place) => !isWithin(place, none)).map(holds).find(Boolean) || null,
    unmet: unmet(),
    stray: stray(),
    busy: marked(),
    fetchedBefore: fetchedBefore(),
  };
};
return new Promise((resolve, reject) => {
  const until = performance.now() + patience;
  const isWaiting = () =>
    marked() !== null ||
    (untilComplete && document.readyState !== 'complete') ||
    (unfetchedFor > 0 && (fetchedBefore() ?? Infinity) < unfetchedFor);
  const look = () => {
    try {
      if (performance.now() >= until || !isWaiting()) resolve(tell());
      else setTimeout(look, 50);
    } catch (why) {
      reject(why);
    }
  };
  look();
});
