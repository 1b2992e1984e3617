//! The namespaces of one host: a network of its own and a hostname of its own, held as descriptors.
//!
//! Making one needs the right to administer networks: root, or a user namespace of one's own, which the
//! sandbox has entered before.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::RouteHeader;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::sethostname;

use super::netlink::{NetlinkError, Socket};

/// The loopback interface is the first of every namespace.
pub(super) const LOOPBACK: u32 = 1;
/// The table of a host's own addresses.
const LOCAL_TABLE: u8 = 255;
/// Where the rule that looks into the table of own addresses stands, so that rules can come before it.
const LOCAL_PRIORITY: u32 = 1000;

/// Settings of every namespace, where the kernel has them: forward for others, take packets whichever way
/// they come, and never speak unasked (no router solicitations, no duplicate address detection).
const SETTINGS: [(&str, &str); 6] = [
    ("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"),
    ("/proc/sys/net/ipv4/ip_forward", "1"),
    ("/proc/sys/net/ipv4/conf/all/rp_filter", "0"),
    ("/proc/sys/net/ipv4/conf/default/rp_filter", "0"),
    ("/proc/sys/net/ipv4/conf/all/send_redirects", "0"),
    ("/proc/sys/net/ipv4/conf/default/send_redirects", "0"),
];

/// A namespace could not be made or entered.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A system call failed.
    #[error("namespace of {name}: {action}")]
    System {
        /// Whose namespace.
        name: String,
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused a setting.
    #[error("namespace of {name}: setting {path}")]
    Setting {
        /// Whose namespace.
        name: String,
        /// Which setting.
        path: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused a change to the network.
    #[error("namespace of {name}: {action}")]
    Netlink {
        /// Whose namespace.
        name: String,
        /// What was being done.
        action: &'static str,
        /// The kernel's answer.
        source: NetlinkError,
    },
}

/// A network namespace and a UTS namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    net: OwnedFd,
    uts: OwnedFd,
    netlink: Mutex<Socket>,
}

/// Namespaces that are being made.
pub struct Coming {
    receiver: Receiver<(usize, Result<Namespace, NamespaceError>)>,
    there: Vec<Option<Arc<Namespace>>>,
}

impl Coming {
    /// A host's, as soon as it is there.
    pub fn of(&mut self, host: usize) -> Result<Arc<Namespace>, NamespaceError> {
        loop {
            if let Some(namespace) = self.there.get(host).and_then(Option::as_ref) {
                return Ok(Arc::clone(namespace));
            }
            let Ok((host, made)) = self.receiver.recv() else {
                let source = io::Error::other("nobody makes it");
                return Err(NamespaceError::System { name: format!("host {host}"), action: "waiting for it", source });
            };
            self.there[host] = Some(Arc::new(made?));
        }
    }
}

impl Namespace {
    /// Makes a namespace whose hostname is `name`, with loopback up and settings in place. The calling
    /// thread stays where it is.
    pub fn create(name: &str) -> Result<Namespace, NamespaceError> {
        apart(name, || Namespace::fresh(name))?
    }

    /// The same for each of these hosts, with its address: a thread for each processor makes some of them, since all that it takes is the
    /// kernel's time, and `meanwhile` uses those that are there already. They come in the order of `order`, which names each host once.
    pub fn create_all<T, E: From<NamespaceError>>(
        hosts: &[(&str, IpAddr)],
        order: &[usize],
        meanwhile: impl FnOnce(&mut Coming) -> Result<T, E>,
    ) -> Result<T, E> {
        let next = &AtomicUsize::new(0);
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(order.len()) {
                let sender = sender.clone();
                let make = move || {
                    // Each namespace takes this thread out of the one before.
                    while let Some(&host) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (name, address) = hosts[host];
                        let made = Namespace::fresh(name);
                        let made = made.and_then(|made| made.add_address(address).map(|()| made));
                        // Nobody waits for it any more if something failed elsewhere.
                        if sender.send((host, made)).is_err() {
                            return;
                        }
                    }
                };
                spawn(scope, "namespaces", make)?;
            }
            drop(sender);
            // The receiver goes with `Coming`, before the scope waits for the threads.
            meanwhile(&mut Coming { receiver, there: vec![None; hosts.len()] })
        })
    }

    /// Its hostname.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network namespace.
    pub fn net(&self) -> BorrowedFd<'_> {
        self.net.as_fd()
    }

    /// The UTS namespace, which holds the hostname.
    pub fn uts(&self) -> BorrowedFd<'_> {
        self.uts.as_fd()
    }

    /// Runs `work` on a fresh thread inside the namespaces, and returns what it returns. Sockets opened
    /// there stay there, and so do processes started there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        apart(&self.name, || {
            self.join()?;
            Ok(work())
        })?
    }

    /// Moves the calling thread into the namespaces for good: for threads that live there.
    pub fn join(&self) -> Result<(), NamespaceError> {
        setns(&self.net, CloneFlags::CLONE_NEWNET).map_err(self.system("entering its network"))?;
        setns(&self.uts, CloneFlags::CLONE_NEWUTS).map_err(self.system("entering its hostname"))
    }

    /// Uses the namespace's netlink socket, from whichever thread.
    pub fn netlink<T>(&self, work: impl FnOnce(&mut Socket) -> T) -> T {
        // A socket is as good after a panic elsewhere as before: answers carry their request's number.
        work(&mut self.netlink.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the host an address, on loopback.
    pub(super) fn add_address(&self, address: IpAddr) -> Result<(), NamespaceError> {
        let mut message = AddressMessage::default();
        (message.header.family, message.header.prefix_len) = family(address);
        message.header.index = LOOPBACK;
        message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        self.request("adding its address", RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Asks the kernel for a change in here.
    pub(super) fn request(
        &self,
        action: &'static str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), NamespaceError> {
        self.netlink(|socket| socket.request(message, flags)).map_err(|source| NamespaceError::Netlink {
            name: self.name.clone(),
            action,
            source,
        })
    }

    /// Takes the calling thread into fresh namespaces and settles there.
    fn fresh(name: &str) -> Result<Namespace, NamespaceError> {
        let namespace = Namespace::unshared(name)?;
        namespace.settle()?;
        Ok(namespace)
    }

    /// Takes the calling thread into fresh namespaces.
    fn unshared(name: &str) -> Result<Namespace, NamespaceError> {
        let error = |action| move |source| NamespaceError::System { name: name.to_owned(), action, source };
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS)
            .map_err(|errno| error("making it")(errno.into()))?;
        sethostname(name).map_err(|errno| error("setting the hostname")(errno.into()))?;
        // Not /proc/self: that is the main thread's.
        let net = File::open("/proc/thread-self/ns/net").map_err(error("opening its network"))?;
        let uts = File::open("/proc/thread-self/ns/uts").map_err(error("opening its hostname"))?;
        let netlink = Socket::open().map_err(|source| NamespaceError::Netlink {
            name: name.to_owned(),
            action: "opening a netlink socket",
            source,
        })?;
        Ok(Namespace { name: name.to_owned(), net: net.into(), uts: uts.into(), netlink: Mutex::new(netlink) })
    }

    /// Loopback up, settings, and room before the rule for own addresses.
    fn settle(&self) -> Result<(), NamespaceError> {
        for (path, value) in SETTINGS {
            match fs::write(path, value) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(|source| NamespaceError::Setting { name: self.name.clone(), path, source })?,
            }
        }
        let mut loopback = LinkMessage::default();
        loopback.header.index = LOOPBACK;
        loopback.header.flags = LinkFlags::Up;
        loopback.header.change_mask = LinkFlags::Up;
        self.request("bringing loopback up", RouteNetlinkMessage::SetLink(loopback), 0)?;
        self.request("moving the local rule", RouteNetlinkMessage::NewRule(local_rule(LOCAL_PRIORITY)), NLM_F_CREATE)?;
        self.request("moving the local rule", RouteNetlinkMessage::DelRule(local_rule(0)), 0)
    }

    fn system(&self, action: &'static str) -> impl FnOnce(nix::Error) -> NamespaceError {
        move |errno| NamespaceError::System { name: self.name.clone(), action, source: errno.into() }
    }
}

/// The family of an address, and the length of a prefix that names it alone.
pub(super) fn family(address: IpAddr) -> (AddressFamily, u8) {
    match address {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    }
}

fn local_rule(priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.table = LOCAL_TABLE;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![RuleAttribute::Priority(priority)];
    message
}

/// The rule by which whatever `from` sends to `to` vanishes, before anybody looks whose address `to` is.
pub(super) fn blackhole_rule(from: IpAddr, to: IpAddr) -> RuleMessage {
    let mut message = RuleMessage::default();
    let (family, prefix) = family(from);
    message.header.family = family;
    message.header.src_len = prefix;
    message.header.dst_len = prefix;
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.header.action = RuleAction::Blackhole;
    message.attributes =
        vec![RuleAttribute::Priority(LOCAL_PRIORITY / 2), RuleAttribute::Source(from), RuleAttribute::Destination(to)];
    message
}

/// Runs `work` on a thread of its own, whose namespaces are nobody else's business.
fn apart<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
    thread::scope(|scope| Ok(join(spawn(scope, name, work)?)))
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, NamespaceError> {
    let spawned = thread::Builder::new().name(format!("in {name}")).spawn_scoped(scope, work);
    spawned.map_err(|source| NamespaceError::System { name: name.to_owned(), action: "starting a thread", source })
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
