// A line between the turns: what happened to the conversation.

export class Note {
  readonly kind = "note";
  constructor(
    readonly key: string,
    readonly text: string,
  ) {}
}
