/**
 * How many batches may be under way at once. It halves when the node asks to slow down and grows back by one with each
 * full round of acknowledgements, up to what the application allows.
 */
export class SendWindow {
  private size: number;
  private acknowledged = 0;

  constructor(private readonly largest: number) {
    this.size = largest;
  }

  get current(): number {
    return this.size;
  }

  slowDown(): void {
    this.size = Math.max(1, Math.floor(this.size / 2));
    this.acknowledged = 0;
  }

  acknowledge(): void {
    this.acknowledged += 1;
    if (this.acknowledged < this.size || this.size >= this.largest) return;
    this.size += 1;
    this.acknowledged = 0;
  }
}
