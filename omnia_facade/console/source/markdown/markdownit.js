// In place of the parser's front, which has presets, plugins and HTML: it parses.
class MarkdownIt {
  core = new ParserCore();
  block = new ParserBlock();
  inline = new ParserInline();
  helpers = helpers_exports;

  constructor(_preset, options) {
    this.options = options;
  }

  // What is no link at all; which links may be followed is decided where they are made.
  validateLink(address) {
    return !/^(javascript|vbscript|file|data(?!:image\/(png|gif|jpeg|webp);)):/i.test(address.trim());
  }

  parse(text, env) {
    const state = new this.core.State(text, this, env);
    this.core.process(state);
    return state.tokens;
  }
}
