const navigation = performance.getEntriesByType('navigation')[0];
// half of a character that takes two is no text, and a driver that finds one gives no answer at all
const text = (given) => String(given || '').toWellFormed();
const shown = document.body ? document.body.innerText : document.documentElement.textContent;
return {
  url: location.href,
  title: text(document.title),
  text: text((shown || '').replace(/\s+/g, ' ').trim().slice(0, 20000)),
  status: (navigation && navigation.responseStatus) || null,
};
