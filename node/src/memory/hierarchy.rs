//! Where control groups are mounted, and where in them this process is. Pure but for reading two files of `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Controllers of version 1 that it has; `None`: version 2.
    pub controllers: Option<Vec<String>>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The group of this process, or the topmost one that can be seen from here.
    pub own: PathBuf,
}

impl Hierarchy {
    /// Whether it has the controller at all.
    pub fn has(&self, controller: &str) -> bool {
        match &self.controllers {
            Some(names) => names.iter().any(|name| name == controller),
            None => fs::read_to_string(self.mount.join("cgroup.controllers"))
                .is_ok_and(|text| text.split_whitespace().any(|name| name == controller)),
        }
    }

    /// The group of this process and those around it, from the innermost to the mounted one.
    pub fn ancestors(&self) -> impl Iterator<Item = &Path> {
        self.own.ancestors().take_while(|path| path.starts_with(&self.mount))
    }
}

/// The hierarchies of this process, version 2 first.
pub fn hierarchies() -> Vec<Hierarchy> {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup"))
}

fn parse(mountinfo: &str, groups: &str) -> Vec<Hierarchy> {
    let mut found: Vec<(&str, Hierarchy)> = Vec::new();
    for line in mountinfo.lines() {
        // 36 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        let (place, kind): (Vec<&str>, Vec<&str>) = (place.split(' ').collect(), kind.split(' ').collect());
        let ([_, _, device, root, mount, ..], [kind, _, options, ..]) = (&place[..], &kind[..]) else { continue };
        let second = match *kind {
            "cgroup" => false,
            "cgroup2" => true,
            _ => continue,
        };
        if found.iter().any(|(seen, _)| seen == device) {
            continue;
        }
        // 4:memory:/user.slice or 0::/user.slice
        let own = groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let here = if second {
                controllers.is_empty()
            } else {
                !controllers.is_empty() && controllers.split(',').all(|name| options.split(',').any(|o| o == name))
            };
            here.then_some(path)
        });
        let mount = PathBuf::from(unescaped(mount));
        let below = own.and_then(|path| Path::new(path).strip_prefix(unescaped(root)).ok());
        let own = match below {
            Some(below) if !below.starts_with("..") => mount.components().chain(below.components()).collect(),
            _ => mount.clone(),
        };
        let controllers = (!second).then(|| options.split(',').map(str::to_owned).collect());
        found.push((device, Hierarchy { controllers, mount, own }));
    }
    found.sort_by_key(|(_, hierarchy)| hierarchy.controllers.is_some());
    found.into_iter().map(|(_, hierarchy)| hierarchy).collect()
}

/// `\040` and its like, as spaces are written in mountinfo.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_systemd_machine_has_one_hierarchy_of_version_2() {
        let found = parse(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            "0::/user.slice/user-1000.slice/session-3.scope\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].controllers, None);
        let names: Vec<_> = found[0].ancestors().map(|path| path.display().to_string()).collect();
        assert_eq!(names[0], "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope");
        assert_eq!(names[3], "/sys/fs/cgroup");
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn a_hybrid_machine_has_both_and_version_2_comes_first() {
        let found = parse(
            "36 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             41 31 0:38 / /cg/uni\\040fied rw - cgroup2 cgroup2 rw\n42 31 0:38 / /again rw - cgroup2 cgroup2 rw\n",
            "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n",
        );
        let own: Vec<_> = found.iter().map(|hierarchy| hierarchy.own.display().to_string()).collect();
        assert_eq!(own, ["/cg/uni fied", "/cg/memory/a/b", "/cg/cpu"]);
        assert!(found[1].controllers.as_ref().is_some_and(|names| names.contains(&"memory".to_owned())));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        let found = parse(
            "36 31 0:32 /docker/x /cg/memory ro - cgroup cgroup rw,memory\n41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n",
            "4:memory:/docker/x\n0::/../outside\n",
        );
        let own: Vec<_> = found.iter().map(|hierarchy| hierarchy.own.display().to_string()).collect();
        assert_eq!(own, ["/cg", "/cg/memory"]);
    }
}
