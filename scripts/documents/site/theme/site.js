/** The search box: runs in the browser, on the index that search-index.js has left. */
(() => {
  const { MiniSearch, oxmemSearch } = window;
  const input = document.getElementById('search');
  const list = document.getElementById('results');
  const root = document.body.dataset.root;
  /** Loaded with the first letter: pages that are only read do not wait for it. */
  let index;

  const find = (words) => {
    index ??= MiniSearch.loadJSON(oxmemSearch.index, oxmemSearch.options);
    const boost = { heading: 4, page: 2 };
    const fuzzy = (term) => (term.length > 4 ? 0.2 : false);
    return index.search(words, { boost, fuzzy, prefix: true, combineWith: 'AND' }).slice(0, 12);
  };

  const item = ({ id, heading, page, excerpt }) => {
    const link = document.createElement('a');
    link.href = root + id;
    link.textContent = heading === page ? heading : `${heading} (${page})`;
    const small = document.createElement('small');
    small.textContent = excerpt;
    link.append(small);
    const element = document.createElement('li');
    element.append(link);
    return element;
  };

  const nothing = () => {
    const element = document.createElement('li');
    element.textContent = 'Nothing found';
    return element;
  };

  input.addEventListener('input', () => {
    const words = input.value.trim();
    list.hidden = words === '';
    const found = words === '' ? [] : find(words);
    list.replaceChildren(...(found.length === 0 ? [nothing()] : found.map(item)));
  });
  input.addEventListener('keydown', ({ key }) => {
    if (key === 'Enter') list.querySelector('a')?.click();
    if (key === 'Escape') list.hidden = true;
  });
  list.addEventListener('click', () => {
    list.hidden = true;
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.target === input) return;
    event.preventDefault();
    input.focus();
  });
})();
