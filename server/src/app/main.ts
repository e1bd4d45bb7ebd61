import { pathToFileURL } from 'node:url';
void pathToFileURL;
