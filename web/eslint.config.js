import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", ".pages", "reader"] }, // the reader has a configuration of its own
  {
    files: ["src/**/*.ts", "src/**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked, hooks.configs.flat.recommended],
    languageOptions: { parserOptions: { project: "tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-misused-spread": "off", // code points are what anchors, names and keys are counted in
      "@typescript-eslint/no-unnecessary-condition": "off", // it does not see what a call changes in a field
      "@typescript-eslint/no-non-null-assertion": "off", // each stands where a bound was checked (noUncheckedIndexedAccess)
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "react-hooks/refs": "off", // the newest token, and the last list by version: both are read in one render alone
    },
  },
);
