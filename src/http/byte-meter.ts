/** What one exchange costs on the wire, on one connection: framing and field sections as they are sent, compressed or not. */
export class ByteMeter {
  wireReceived = 0;
  wireSent = 0;
  /** The part that is field sections, as Envoy counts it: in HTTP/1 without the start line, in HTTP/2 with its frames. */
  headerReceived = 0;
  headerSent = 0;

  /** `bytes` of the wire, of which `fields` are the field section. */
  countHeaderReceived(bytes: number, fields: number): void {
    this.wireReceived += bytes;
    this.headerReceived += fields;
  }

  countHeaderSent(bytes: number, fields: number): void {
    this.wireSent += bytes;
    this.headerSent += fields;
  }
}
