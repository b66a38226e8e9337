/* Changes how a page lists its attachments, while it is parsed: the script that brings the buttons comes later. */
(({ change, by, sign }) => {
  const areas = [...document.querySelectorAll('.commentAttachments')];
  const late = document.getElementById('late-attachments');

  if (change === 'late') {
    const held = areas.map((area) => [area, [...area.childNodes]]);
    for (const [area] of held) {
      area.replaceChildren();
      if (sign === 'busy') area.setAttribute('aria-busy', 'true');
    }
    if (late) {
      const wish = JSON.parse(late.textContent);
      late.textContent = JSON.stringify({ ...wish, appear: wish.appear + by });
    }
    addEventListener('load', () => {
      // a list that comes after many calls, each to another address
      const calls = sign === 'calls' ? ['banner', 'avatar', 'tile-1', 'tile-2', 'tile-3', 'badge'] : [];
      calls.forEach((name, at) =>
        setTimeout(() => fetch('/assets/' + name + '.png', { cache: 'no-store' }).then((answer) => answer.text()), ((at + 1) * by) / (calls.length + 1)));
      setTimeout(() => {
        for (const [area, nodes] of held) {
          area.removeAttribute('aria-busy');
          area.replaceChildren(...nodes);
        }
      }, by);
    });
    return;
  }

  const total = (links) => links.length + (late ? JSON.parse(late.textContent).files.length : 0);
  if (change === 'counted' || change === 'folded') {
    const links = areas.flatMap((area) => [...area.querySelectorAll('a')]);
    const heading = document.createElement('h3');
    heading.textContent = 'Attachments (' + total(links) + ')';
    const held = links.slice(1).map((link) => [link.parentNode, link]);
    for (const [, link] of held) link.remove();
    areas[0].before(heading);
    if (change === 'folded') {
      const more = document.createElement('button');
      more.type = 'button';
      more.textContent = 'Show ' + held.length + ' more';
      more.addEventListener('click', () => {
        for (const [area, link] of held) area.append(link);
        more.remove();
      });
      areas[0].append(more);
    }
    return;
  }

  const names = areas.flatMap((area) => [...area.querySelectorAll('a')].map((link) => link.title || link.textContent));
  if (late) names.push(...JSON.parse(late.textContent).files.map((file) => file.name));
  if (late) late.remove();
  const section = document.createElement('section');
  section.className = 'documents-2';
  const title = document.createElement('h2');
  title.textContent = 'Attachments (' + names.length + ')';
  section.append(title);
  for (const name of names) {
    const button = document.createElement('button');
    button.className = 'document-2';
    button.textContent = name;
    section.append(button);
  }
  for (const area of areas) {
    if (change === 'moved') area.replaceChildren(); // the old areas stay, and hold nothing any more
    else area.remove();
  }
  if (change !== 'gone') document.querySelector('main').append(section);
})
