// The form of the prompt's variables, below the message field.

import { useChanges } from "../parts/changes";
import { asText, type Declared, type Variables } from "../variables";

export function VariablesForm({ variables }: { variables: Variables }) {
  useChanges(variables);
  const { declared, missing } = variables;
  if (declared.length === 0) return null;
  const set = Object.entries(variables.metadata).map(([name, value]) => `${name} = ${value}`);
  return (
    <details class="variables">
      <summary>
        Variables{" "}
        <small>{[...missing.map((each) => `${each} needs a value`), ...set].join(", ")}</small>
      </summary>
      <div class="fields">
        {declared.map((each) => (
          <Field key={each.name} variable={each} variables={variables} />
        ))}
      </div>
    </details>
  );
}

function Field({ variable, variables }: { variable: Declared; variables: Variables }) {
  const { name, description, required } = variable;
  const choices = variable.enum ?? (variable.type === "boolean" ? [true, false] : []);
  const usual = variable.default === undefined ? "" : asText(variable.default);
  const id = `variable-${name}`;
  const shared = {
    id,
    value: variables.valueOf(name),
    "aria-describedby": description ? `${id}-about` : undefined,
    onChange: ({ currentTarget }: { currentTarget: HTMLInputElement | HTMLSelectElement }) =>
      variables.set(name, currentTarget.value),
  };
  return (
    <div>
      <label for={id}>
        {name}
        {required && <small> required</small>}
      </label>
      {choices.length > 0 ? (
        <select {...shared}>
          <option value="">{usual && `${usual} (default)`}</option>
          {choices.map((each) => (
            <option key={asText(each)}>{asText(each)}</option>
          ))}
        </select>
      ) : (
        <input {...shared} autocomplete="off" placeholder={usual} />
      )}
      {description && (
        <p id={`${id}-about`} class="hint">
          {description}
        </p>
      )}
    </div>
  );
}
