// Looks into certificate and key files before anything connects: a wrong file would otherwise show as an obscure handshake error.
import { createPrivateKey, X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** PEM text that can be used, or what is wrong with it. */
export type PemText =
  | { readonly kind: 'pem'; readonly pem: string }
  | { readonly kind: 'problem'; readonly message: string; readonly hint: string };

/** The certificates of a PEM file; only the first when `all` is false. Text around them is left out. */
export function readCertificates(text: string, all: boolean): PemText {
  const found = text.match(CERTIFICATE) ?? [];
  const certificates = all ? found : found.slice(0, 1);
  if (certificates.length === 0) {
    return {
      kind: 'problem',
      message: 'the file holds no PEM certificate',
      hint: 'convert it: openssl x509 -inform der -in FILE -out FILE.pem',
    };
  }
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    return {
      kind: 'problem',
      message: 'a certificate of the file is damaged',
      hint: 'download it again; openssl x509 -in FILE -noout -text must print it',
    };
  }
  return { kind: 'pem', pem: `${certificates.join('\n')}\n` };
}

/** A private key in PEM form without a passphrase. */
export function readPrivateKey(text: string): PemText {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) {
    return {
      kind: 'problem',
      message: 'the key is protected by a passphrase',
      hint: 'write it without one, readable by this user alone: openssl pkey -in FILE -out FILE.plain',
    };
  }
  try {
    createPrivateKey(text);
  } catch {
    return {
      kind: 'problem',
      message: 'the file holds no private key in PEM form',
      hint: 'convert it: openssl pkey -inform der -in FILE -out FILE.pem',
    };
  }
  return { kind: 'pem', pem: text };
}
