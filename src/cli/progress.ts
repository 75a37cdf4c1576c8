/** One line on stderr that is written over, on a terminal; nothing in a pipe (cli.md). */
export class Progress {
  private readonly visible = process.stderr.isTTY === true;
  private shown = false;

  show(text: string): void {
    if (!this.visible) return;
    this.shown = true;
    process.stderr.write(`\r\u001b[K${text}`);
  }

  /** Takes the line away before something else is written. */
  clear(): void {
    if (this.shown) process.stderr.write('\r\u001b[K');
    this.shown = false;
  }
}
