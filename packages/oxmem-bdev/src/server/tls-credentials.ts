import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';

import { DriverError, systemCode } from '../errors.ts';

/** Files in PEM format. */
export interface TlsFiles {
  /** The server's certificate, then those between it and the root, if any. */
  readonly cert: string;
  /** The private key that belongs to it, not encrypted. */
  readonly key: string;
  /** Whose signature a client's certificate must bear; undefined: clients need none. */
  readonly ca: string | undefined;
}

/** Contents of the files, checked: the key fits the certificate, all are what they should be. */
export interface TlsCredentials {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
}

/**
 * Reads certificate and key once; later changes of the files do not matter.
 *
 * @param warn  takes a sentence about what is unwise, but works
 * @throws DriverError ERR_OXMEM_TLS
 */
export function loadTlsCredentials(files: TlsFiles, warn: (text: string) => void): TlsCredentials {
  const cert = readPem('--tls-cert', files.cert);
  const key = readPem('--tls-key', files.key);
  const ca = files.ca === undefined ? undefined : readPem('--tls-ca', files.ca);
  const certificate = parseCertificate('--tls-cert', files.cert, cert);
  if (!certificate.checkPrivateKey(parseKey(files.key, key))) {
    throw tlsError(
      `--tls-key: "${files.key}" is not the key of the certificate in "${files.cert}"; name the ` +
        'two that were made together.',
    );
  }
  // OpenSSL takes a file without any certificate for an empty list.
  if (files.ca !== undefined && ca !== undefined) parseCertificate('--tls-ca', files.ca, ca);
  if (Date.parse(certificate.validTo) < Date.now()) {
    warn(`--tls-cert: the certificate has expired on ${certificate.validTo}; clients refuse it`);
  }
  warnOfReaders(files.key, warn);
  return { cert, key, ca };
}

function readPem(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    const code = systemCode(thrown) ?? 'an unknown error';
    const remedy =
      code === 'EACCES' || code === 'EPERM'
        ? 'let the user that runs the driver read it'
        : 'name a file in PEM format';
    throw tlsError(`${option}: "${path}" cannot be read (${code}); ${remedy}.`, thrown);
  }
}

function parseCertificate(option: string, path: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (thrown) {
    throw tlsError(
      `${option}: "${path}" holds no certificate in PEM format ` +
        '(it begins with -----BEGIN CERTIFICATE-----).',
      thrown,
    );
  }
}

function parseKey(path: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (thrown) {
    const isEncrypted = pem.includes('ENCRYPTED');
    throw tlsError(
      isEncrypted
        ? `--tls-key: "${path}" is encrypted; take the passphrase off ` +
            `(\`openssl pkey -in ${path} -out NEW\`).`
        : `--tls-key: "${path}" holds no private key in PEM format ` +
            '(it begins with -----BEGIN PRIVATE KEY-----).',
      thrown,
    );
  }
}

/** Whoever has the key can pretend to be this server. */
function warnOfReaders(path: string, warn: (text: string) => void): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & READABLE_BY_OTHERS) === 0) return;
  warn(`--tls-key: "${path}" can be read by every user of this machine (chmod 600 ${path})`);
}

function tlsError(sentence: string, cause?: unknown): DriverError {
  return new DriverError('ERR_OXMEM_TLS', sentence, cause);
}

const READABLE_BY_OTHERS = 0o004;
