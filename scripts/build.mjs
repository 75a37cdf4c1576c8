// `npm run build`: brings node_modules, the addon and dist/ up to date.
import { buildAddon, buildTypeScript, install } from './setup.mjs';

install();
buildAddon();
buildTypeScript();
