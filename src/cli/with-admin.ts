import { Admin, type ConnectionOptions } from '../client/index.js';

/** Connects, works, and disconnects however the work ended. */
export async function withAdmin<T>(
  options: ConnectionOptions,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = await Admin.open(options);
  try {
    return await work(admin);
  } finally {
    admin.close();
  }
}
