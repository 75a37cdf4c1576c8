// Loaded into a node under test before anything else: when the bench is gone, however it went, so is the node.
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).on('error', () => undefined);
process.stdin.resume();
process.stdin.unref?.();
