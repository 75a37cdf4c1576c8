//! Which agent runs on which thread, where, and how it idles: a pure function of what was asked and granted.

use crate::idle::IdleStrategy;
use crate::node::{Idle, Layout};

/// An agent's job, and its number among those that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Network(u8),
    Ingest(u8),
    Io(u8),
}

/// How many agents of each there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub network: u8,
    pub ingest: u8,
    pub io: u8,
}

impl Roles {
    /// All of them, in the order in which a frame meets them: on a shared thread one duty cycle takes it all the way.
    fn all(self) -> Vec<Role> {
        let network = (0..self.network).map(Role::Network);
        let ingest = (0..self.ingest).map(Role::Ingest);
        let io = (0..self.io).map(Role::Io);
        network.chain(ingest).chain(io).collect()
    }
}

/// The cores that an operator (or `lance topology`) gave to the engine, and what else there is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cores {
    /// CPU ids that are the engine's own. Empty: none was granted, threads run where the system puts them.
    pub granted: Vec<u32>,
    /// CPUs that the process may use, granted ones included.
    pub usable: u32,
}

/// One thread of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPlan {
    /// At most 15 bytes, as the kernel takes it.
    pub name: String,
    pub agents: Vec<Role>,
    pub cpu: Option<u32>,
    pub idle: IdleStrategy,
}

/// Plans the threads.
///
/// - `dedicated`: a thread for each agent, on a granted core of its own as far as they go.
/// - `shared`: one thread for all.
/// - `auto`: `dedicated` if there is a granted core for each agent and one CPU over for everything else; else `shared`.
///
/// A thread spins by default only on a granted core that it has to itself, and only if another CPU is left for kernel
/// workers and the control plane: on two cores it parks.
#[must_use]
pub fn plan(layout: Layout, idle: Idle, roles: Roles, cores: &Cores) -> Vec<ThreadPlan> {
    let agents = roles.all();
    let spare = cores.usable as usize > cores.granted.len();
    let enough = cores.granted.len() >= agents.len() && spare;
    let dedicated = match layout {
        Layout::Dedicated => true,
        Layout::Shared => false,
        Layout::Auto => enough,
    };
    let threads = if dedicated { agents.len() } else { 1 };
    // At least three CPUs: on two, a spinner would take half of the machine.
    let may_spin = spare && cores.usable > 2 && cores.granted.len() >= threads;
    let by_layout = if may_spin {
        IdleStrategy::Spin
    } else {
        IdleStrategy::Park
    };
    let thread = |i: usize, name: String, agents: Vec<Role>| ThreadPlan {
        name,
        agents,
        // With fewer cores than threads none is pinned: two spinning or busy threads on one core wait for each other.
        cpu: (cores.granted.len() >= threads)
            .then(|| cores.granted.get(i).copied())
            .flatten(),
        idle: IdleStrategy::resolve(idle, by_layout),
    };
    if dedicated {
        let name = |role: &Role| match role {
            Role::Network(i) => format!("lance-net-{i}"),
            Role::Ingest(i) => format!("lance-ingest-{i}"),
            Role::Io(i) => format!("lance-io-{i}"),
        };
        let each = agents.iter().enumerate();
        each.map(|(i, role)| thread(i, name(role), vec![*role]))
            .collect()
    } else {
        vec![thread(0, "lance-engine".into(), agents)]
    }
}

/// The CPUs that this process may use, by its affinity mask.
#[must_use]
pub fn usable_cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: Roles = Roles {
        network: 1,
        ingest: 1,
        io: 1,
    };

    fn cores(granted: &[u32], usable: u32) -> Cores {
        Cores {
            granted: granted.to_vec(),
            usable,
        }
    }

    #[test]
    fn two_cores_share_one_thread_that_parks() {
        for granted in [vec![], vec![1], vec![0, 1]] {
            let plan = plan(Layout::Auto, Idle::Auto, ROLES, &cores(&granted, 2));
            assert_eq!(plan.len(), 1);
            assert_eq!(
                plan[0].agents,
                [Role::Network(0), Role::Ingest(0), Role::Io(0)]
            );
            assert_eq!(plan[0].idle, IdleStrategy::Park);
        }
    }

    #[test]
    fn many_cores_that_nobody_granted_are_not_spun_on() {
        let plan = plan(Layout::Auto, Idle::Auto, ROLES, &cores(&[], 64));
        assert_eq!(plan.len(), 1);
        assert_eq!(plan[0].idle, IdleStrategy::Park);
        assert_eq!(plan[0].cpu, None);
    }

    #[test]
    fn granted_cores_with_one_to_spare_each_get_a_spinning_agent() {
        let plan = plan(Layout::Auto, Idle::Auto, ROLES, &cores(&[4, 5, 6], 8));
        let seen: Vec<_> = plan
            .iter()
            .map(|t| (t.name.as_str(), t.cpu, t.idle))
            .collect();
        assert_eq!(
            seen,
            [
                ("lance-net-0", Some(4), IdleStrategy::Spin),
                ("lance-ingest-0", Some(5), IdleStrategy::Spin),
                ("lance-io-0", Some(6), IdleStrategy::Spin),
            ]
        );
    }

    #[test]
    fn granting_every_core_leaves_none_to_spin_on() {
        let plan = plan(Layout::Dedicated, Idle::Auto, ROLES, &cores(&[0, 1, 2], 3));
        assert!(plan.iter().all(|t| t.idle == IdleStrategy::Park));
        assert!(plan.iter().all(|t| t.cpu.is_some()));
    }

    #[test]
    fn one_granted_core_among_many_is_shared_and_spun_on() {
        let plan = plan(Layout::Auto, Idle::Auto, ROLES, &cores(&[3], 4));
        assert_eq!(plan.len(), 1);
        assert_eq!((plan[0].cpu, plan[0].idle), (Some(3), IdleStrategy::Spin));
    }

    #[test]
    fn what_was_asked_for_by_name_is_done() {
        let few = cores(&[], 2);
        let plan = plan(Layout::Dedicated, Idle::Yield, ROLES, &few);
        assert_eq!(plan.len(), 3);
        assert!(plan
            .iter()
            .all(|t| t.idle == IdleStrategy::Yield && t.cpu.is_none()));
    }

    #[test]
    fn thread_names_fit_the_kernels_15_bytes() {
        let many = Roles {
            network: 100,
            ingest: 100,
            io: 100,
        };
        let plan = plan(Layout::Dedicated, Idle::Auto, many, &cores(&[], 2));
        assert!(plan.iter().all(|t| t.name.len() <= 15), "{plan:?}");
    }
}
