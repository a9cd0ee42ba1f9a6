/** A field for a token. */
import { useId, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { signIn } from "../session/account";
import type { Account } from "../session/account";
import { RelayRefused } from "../session/relay";
import { useTexts } from "../texts";

export function SignIn({ refused = false, onDone }: { refused?: boolean; onDone: (account: Account) => void }): ReactNode {
  const texts = useTexts();
  const field = useId();
  const [given, setGiven] = useState("");
  const [error, setError] = useState(refused ? texts.tokenBad : "");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      onDone(await signIn(given.trim()));
    } catch (failure) {
      if (!(failure instanceof RelayRefused)) throw failure;
      setError(failure.status === 401 ? texts.tokenBad : failure.message);
    }
  };
  return (
    <form className="sign-in" onSubmit={(event) => void submit(event)}>
      <h1>{texts.signIn}</h1>
      <p>{texts.signInHint}</p>
      <label htmlFor={field}>{texts.token}</label>
      <input id={field} type="password" autoComplete="off" spellCheck={false} required value={given} aria-invalid={error !== ""}
        aria-describedby={`${field}-error`} onChange={(event) => setGiven(event.target.value)} />
      <p id={`${field}-error`} className="error" role="alert">{error}</p>
      <button type="submit" className="button primary">{texts.signIn}</button>
    </form>
  );
}
