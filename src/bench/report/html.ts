/** Text as it may stand in HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** A heading and what is below it; nothing where there is nothing. */
export function section(title: string, content: string): string {
  return content === '' ? '' : `<h2>${escapeHtml(title)}</h2>\n${content}`;
}

/** A table; without headings it is one of names and what they are. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head =
    headings.length === 0
      ? ''
      : `<thead><tr>${headings.map((h) => `<th>${escapeHtml(h)}</th>`).join('')}</tr></thead>`;
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${together(escapeHtml(cell))}</td>`).join('')}</tr>`)
    .join('\n');
  const kind = headings.length === 0 ? ' class="names"' : '';
  return `<div class="scroll"><table${kind}>${head}<tbody>${body}</tbody></table></div>`;
}

/** A number and its unit stay on one line. */
function together(text: string): string {
  return text.replace(/(\d) (?=[A-Za-z])/g, '$1&nbsp;');
}
