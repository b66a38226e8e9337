// asks for an address from within the page, which stays as it is: somebody may be typing in it
const [address, form, markers, refusals, isStranger, limit] = arguments;
const text = (found) => found.textContent.replace(/\s+/g, ' ').trim().toWellFormed().slice(0, 2000);
return fetch(address, {
  credentials: isStranger ? 'omit' : 'same-origin', redirect: 'follow', cache: 'no-store', signal: AbortSignal.timeout(limit),
}).then(async (answer) => {
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  return {
    url: answer.url,
    status: answer.status,
    title: page.title.toWellFormed(),
    hasForm: page.querySelector(form) !== null,
    hasMarker: page.querySelector(markers) !== null,
    notices: [...page.querySelectorAll(refusals)].map(text).filter((notice) => notice !== ''),
  };
}).catch(() => null); // led to another host, or nobody answered in time
