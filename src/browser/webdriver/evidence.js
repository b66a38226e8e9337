const navigation = performance.getEntriesByType('navigation')[0];
// a driver does not respond at all to text with an unpaired surrogate
const text = (value) => String(value || '').toWellFormed();
const shown = document.body ? document.body.innerText : document.documentElement.textContent;
return {
  url: location.href,
  title: text(document.title),
  text: text((shown || '').replace(/\s+/g, ' ').trim().slice(0, 20000)),
  status: (navigation && navigation.responseStatus) || null,
};
