// Stands in for the library that finds addresses in plain text, which is not used.

export class LinkifyIt {
  pretest(): boolean {
    return false;
  }
  test(): boolean {
    return false;
  }
  match(): null {
    return null;
  }
}
