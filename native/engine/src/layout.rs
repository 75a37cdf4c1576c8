//! Which agent runs on which thread, where, and how it idles: a pure function of what was asked and granted.

use crate::idle::IdleStrategy;
use crate::node::{Idle, Layout};
use crate::place::Placement;

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

/// One thread of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPlan {
    /// At most 15 bytes, as the kernel takes it.
    pub name: String,
    pub agents: Vec<Role>,
    /// The CPU it is pinned to.
    pub cpu: Option<u32>,
    /// The NUMA node of that CPU, where it is known.
    pub node: Option<u32>,
    pub idle: IdleStrategy,
}

/// Plans the threads.
///
/// With a placement, agents that were granted the same CPU share a thread, which is pinned there: the control plane has taken
/// `runtime.layout` into account. Without one nothing is pinned, and only `dedicated` gives each agent a thread of its own.
///
/// By default a thread spins only on a core that was granted to it, and only if another is left for kernel workers and the
/// control plane: on two cores it parks.
#[must_use]
pub fn plan(layout: Layout, idle: Idle, roles: Roles, placement: &Placement) -> Vec<ThreadPlan> {
    let agents = roles.all();
    let grant = |role: &Role| placement.agents.iter().find(|grant| grant.role == *role);
    let placed = agents.iter().all(|role| grant(role).is_some());
    let mut threads: Vec<ThreadPlan> = Vec::with_capacity(agents.len());
    for role in agents {
        let grant = grant(&role).filter(|_| placed);
        let cpu = grant.map(|grant| grant.cpu);
        let shared = threads.iter_mut().find(|thread| match cpu {
            Some(_) => thread.cpu == cpu,
            None => layout != Layout::Dedicated,
        });
        match shared {
            Some(thread) => thread.agents.push(role),
            None => threads.push(ThreadPlan {
                name: String::new(),
                agents: vec![role],
                cpu,
                node: grant.and_then(|grant| grant.node),
                idle: IdleStrategy::Park,
            }),
        }
    }
    // At least three cores: on two, a spinner would take half of the machine.
    let may_spin = placed && placement.cores as usize > threads.len().max(2);
    let by_layout = if may_spin {
        IdleStrategy::Spin
    } else {
        IdleStrategy::Park
    };
    let alone = threads.len() == 1;
    for (i, thread) in threads.iter_mut().enumerate() {
        thread.idle = IdleStrategy::resolve(idle, by_layout);
        thread.name = match thread.agents[..] {
            [Role::Network(i)] => format!("lance-net-{i}"),
            [Role::Ingest(i)] => format!("lance-ingest-{i}"),
            [Role::Io(i)] => format!("lance-io-{i}"),
            _ if alone => "lance-engine".into(),
            _ => format!("lance-engine-{i}"),
        };
    }
    threads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Grant;

    const ROLES: Roles = Roles {
        network: 1,
        ingest: 1,
        io: 1,
    };

    /// CPUs of the network, ingest and I/O agents; none: nothing is granted.
    fn granted(cpus: &[u32], cores: u32) -> Placement {
        let roles = [Role::Network(0), Role::Ingest(0), Role::Io(0)];
        let agents = roles.into_iter().zip(cpus);
        Placement {
            agents: agents
                .map(|(role, &cpu)| Grant {
                    role,
                    cpu,
                    node: Some(cpu / 4),
                })
                .collect(),
            cores,
            ..Placement::default()
        }
    }

    #[test]
    fn two_cores_share_one_thread_that_parks() {
        for placement in [granted(&[], 2), granted(&[1, 1, 1], 2)] {
            let plan = plan(Layout::Auto, Idle::Auto, ROLES, &placement);
            assert_eq!(plan.len(), 1);
            assert_eq!(
                plan[0].agents,
                [Role::Network(0), Role::Ingest(0), Role::Io(0)]
            );
            assert_eq!(plan[0].name, "lance-engine");
            assert_eq!(plan[0].idle, IdleStrategy::Park);
        }
    }

    #[test]
    fn many_cores_that_nobody_granted_are_not_spun_on() {
        for placement in [granted(&[], 64), granted(&[4, 5], 64)] {
            let plan = plan(Layout::Auto, Idle::Auto, ROLES, &placement);
            assert_eq!(plan.len(), 1);
            assert_eq!(plan[0].idle, IdleStrategy::Park);
            assert_eq!((plan[0].cpu, plan[0].node), (None, None));
        }
    }

    #[test]
    fn granted_cores_with_one_to_spare_each_get_a_spinning_agent() {
        let plan = plan(Layout::Auto, Idle::Auto, ROLES, &granted(&[4, 5, 3], 8));
        let seen: Vec<_> = plan
            .iter()
            .map(|t| (t.name.as_str(), t.cpu, t.node, t.idle))
            .collect();
        assert_eq!(
            seen,
            [
                ("lance-net-0", Some(4), Some(1), IdleStrategy::Spin),
                ("lance-ingest-0", Some(5), Some(1), IdleStrategy::Spin),
                ("lance-io-0", Some(3), Some(0), IdleStrategy::Spin),
            ]
        );
    }

    #[test]
    fn agents_on_one_cpu_share_a_thread_and_the_others_have_their_own() {
        let plan = plan(Layout::Auto, Idle::Auto, ROLES, &granted(&[2, 1, 1], 3));
        assert_eq!(plan[0].agents, [Role::Network(0)]);
        assert_eq!(plan[1].agents, [Role::Ingest(0), Role::Io(0)]);
        let names: Vec<_> = plan.iter().map(|t| (t.name.as_str(), t.cpu)).collect();
        assert_eq!(
            names,
            [("lance-net-0", Some(2)), ("lance-engine-1", Some(1))]
        );
    }

    #[test]
    fn granting_every_core_leaves_none_to_spin_on() {
        let plan = plan(
            Layout::Dedicated,
            Idle::Auto,
            ROLES,
            &granted(&[0, 1, 2], 3),
        );
        assert!(plan.iter().all(|t| t.idle == IdleStrategy::Park));
        assert!(plan.iter().all(|t| t.cpu.is_some()));
    }

    #[test]
    fn one_granted_core_among_many_is_shared_and_spun_on() {
        let plan = plan(Layout::Auto, Idle::Auto, ROLES, &granted(&[3, 3, 3], 4));
        assert_eq!(plan.len(), 1);
        assert_eq!((plan[0].cpu, plan[0].idle), (Some(3), IdleStrategy::Spin));
    }

    #[test]
    fn what_was_asked_for_by_name_is_done() {
        let few = granted(&[], 2);
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
        let plan = plan(Layout::Dedicated, Idle::Auto, many, &granted(&[], 2));
        assert!(plan.iter().all(|t| t.name.len() <= 15), "{plan:?}");
    }
}
