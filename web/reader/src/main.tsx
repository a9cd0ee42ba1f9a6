import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./styles/base.css";
import "./styles/reading.css";
import "./styles/panel.css";
import "./styles/groups.css";

createRoot(document.getElementById("root")!).render(<App />);
