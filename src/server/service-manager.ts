import { notifyServiceManager } from '../engine/index.js';

/** Tells systemd (or what sets `NOTIFY_SOCKET`) about the node; does nothing where nobody asked (sd_notify(3)). */
export function notify(state: 'READY=1' | 'STOPPING=1', status: string, env = process.env): boolean {
  const socket = env.NOTIFY_SOCKET;
  if (!socket) return false;
  return notifyServiceManager(socket, `${state}\nSTATUS=${status}\n`);
}
