// The script of an order page: it listens for events without end, and adds the buttons late.
(() => {
  'use strict';
  const meta = document.querySelector('meta[name="csrf-token"]');
  if (!meta) return; // the login page has nothing to do
  const events = new EventSource('/events');
  // a browser that keeps left pages for its back button would keep their connections too, and it has only six for a
  // portal that speaks HTTP/1.1: the seventh page would wait for the best part of a minute
  addEventListener('pagehide', () => events.close());

  const late = document.getElementById('late-attachments');
  if (!late) return;
  const { appear, replace, tickets, label, files } = JSON.parse(late.textContent);

  const complain = (text) => {
    const box = document.createElement('div');
    box.className = 'flash_notice';
    box.textContent = text;
    document.querySelector('main').prepend(box);
  };

  // the page has no address: a click requests one, which can be used once
  const fetchFile = async (file) => {
    const answer = await fetch(tickets + '/' + file.id, {
      method: 'POST',
      headers: { 'X-CSRF-Token': meta.content, Accept: 'application/json' },
    });
    if (!answer.ok || answer.redirected) throw new Error('no address');
    const { url } = await answer.json();
    location.assign(url);
  };

  const fetches = (element, file) => element.addEventListener('click', () =>
    fetchFile(file).catch(() => complain('The attachment could not be downloaded.')));

  // each adds one file to the page and returns the new element
  const addButton = (file) => {
    const button = document.createElement('span');
    button.setAttribute('role', 'button');
    button.tabIndex = 0;
    button.setAttribute('aria-label', label[0] + file.name + label[1]);
    if (file.title) button.title = file.name;
    button.textContent = file.name;
    fetches(button, file);
    const area = document.querySelector('[data-area="' + file.area + '"]');
    if (area.localName !== 'ul') {
      area.append(button);
      return button;
    }
    const item = document.createElement('li');
    item.className = 'attachment';
    item.append(button);
    area.append(item);
    return item;
  };

  const addRow = (file) => {
    const row = documents.insertRow();
    const name = row.insertCell();
    name.className = 'file';
    name.textContent = file.name;
    row.insertCell().textContent = file.area;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'get';
    button.textContent = 'Download';
    fetches(button, file);
    row.insertCell().append(button);
    return row;
  };

  const documents = document.querySelector('table.documents tbody');
  let shown = [];
  const show = () => {
    for (const old of shown) old.remove();
    shown = files.map(documents ? addRow : addButton);
  };

  addEventListener('load', () => setTimeout(() => {
    show();
    if (replace !== null) setTimeout(show, replace);
  }, appear));
})();
