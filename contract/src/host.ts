// Which texts are hosts: a DNS name or an IP address, and nothing that merely looks like one.

/** Why a text is no host, with what to write instead. */
export interface HostProblem {
  readonly message: string;
  readonly hint: string;
}

/** What is wrong with `host`, or null when it is a DNS name or an IP address. The text itself is not repeated: it may hold a password. */
export function hostProblem(host: string): HostProblem | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(host);
  if (scheme) {
    return {
      message: `host must be a name or an address, not a URL (${scheme[1]}://…)`,
      hint: `leave ${scheme[1]}:// away; port, user and database have keys of their own`,
    };
  }
  if (host.includes('@')) return { message: 'host holds an @', hint: 'user and password have keys of their own' };
  if (host.includes('/'))
    return {
      message: 'host holds a /',
      hint: 'write a name or an address; a socket directory is not supported, 127.0.0.1 reaches a local server',
    };
  if (/^\[.*\]$/.test(host)) return { message: 'host is in brackets', hint: 'write an IPv6 address without brackets' };
  if (IPV6.test(host)) return null;
  const withPort = /^([^:]+):(\d+)$/.exec(host);
  if (withPort) return { message: 'host holds a port', hint: `write host: ${withPort[1]} and port: ${withPort[2]}` };
  if (host.length > MAX_DNS_LENGTH)
    return { message: `host is longer than ${MAX_DNS_LENGTH} characters`, hint: 'write a DNS name or an IP address' };
  if (/^[\d.]+$/.test(host) && !isIpv4(host))
    return { message: 'host is not a whole IPv4 address', hint: 'write four numbers from 0 to 255, such as 10.0.0.5' };
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(host) || host.includes('..')) {
    return {
      message: 'host is neither a DNS name nor an IP address',
      hint: 'letters, digits, hyphens and dots only; write an international name in its xn-- form',
    };
  }
  return null;
}

/** Whether a host is this machine for certain, so that nothing travels over a network. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === 'localhost' || name === '::1') return true;
  return isIpv4(name) && name.startsWith('127.');
}

const MAX_DNS_LENGTH = 253;

/** Loose on purpose: two colons or more can't be anything else than an attempt at IPv6, which the resolver then judges. */
const IPV6 = /^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*(%[A-Za-z0-9_.-]+)?$/i;

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}
