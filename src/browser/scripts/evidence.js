const navigation = performance.getEntriesByType('navigation')[0];
const shown = document.body ? document.body.innerText : document.documentElement.textContent;
return {
  url: location.href,
  title: document.title || '',
  text: (shown || '').replace(/\s+/g, ' ').trim().slice(0, 20000),
  status: (navigation && navigation.responseStatus) || null,
};
