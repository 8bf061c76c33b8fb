// In place of the parser's list of rules, in which nothing is looked up or switched off here.
class Ruler {
  #rules = [];
  #chains = {};

  push(_name, rule, { alt = [] } = {}) {
    this.#rules.push({ rule, alt });
    this.#chains = {};
  }

  // The rules of a chain, in order; of the chain "" all.
  getRules(chain) {
    return (this.#chains[chain] ??= this.#rules.flatMap(({ rule, alt }) => (!chain || alt.includes(chain) ? [rule] : [])));
  }
}
