//! Memory limits of control groups (versions 2 and 1), and memory pressure (PSI), on Linux.
//!
//! Any group that the program is in may have a limit, from its own up to the outermost, and other programs in the same group
//! count towards it. So each limit is compared with the usage of its own group; the one with the least left counts.
//!
//! `sysinfo` reads these limits too, but counts the page cache as used, which would make a container look full after
//! some downloads, and does not know `memory.high` (ADR 0037).

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Limit of a control group and what is left of it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CgroupLimit {
    pub(crate) total: u64,
    pub(crate) left: u64,
}

/// The limit with the least left, of those below `installed` memory. `None` outside of a container.
pub(crate) fn tightest(installed: u64) -> Option<CgroupLimit> {
    if cfg!(target_os = "linux") { tightest_in(Path::new("/"), installed) } else { None }
}

/// Names of a group's files, which differ between the versions.
struct CgroupVersion {
    limits: &'static [&'static str],
    usage: &'static str,
    /// Key in `memory.stat`: page cache that nobody used recently. It counts as used, and is freed on demand.
    reclaimable: &'static str,
}

/// `memory.high` kills nobody, but programs above it are slowed down until they are below.
const V2: CgroupVersion =
    CgroupVersion { limits: &["memory.max", "memory.high"], usage: "memory.current", reclaimable: "inactive_file" };
const V1: CgroupVersion = CgroupVersion {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file", // with the groups inside, as the usage
};

/// [`tightest`] of the system whose root folder is `root`.
fn tightest_in(root: &Path, installed: u64) -> Option<CgroupLimit> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let v2 = own_group(&groups, |number, _| number == "0").zip(mount(&mounts, |kind, _| kind == "cgroup2"));
    let has_memory = |list: &str| list.split(',').any(|word| word == "memory");
    let v1 = own_group(&groups, |_, controllers| has_memory(controllers))
        .zip(mount(&mounts, |kind, options| kind == "cgroup" && has_memory(options)));
    let folders = [(v2, V2), (v1, V1)].into_iter().filter_map(|(found, version)| {
        let (group, (mounted, place)) = found?;
        // joined with its slash it would replace the root
        let place = root.join(place.strip_prefix("/").ok()?);
        Some((place.join(below(&group, &mounted)), place, version))
    });
    let limits = folders.flat_map(|(folder, place, version)| {
        let around = folder.ancestors().take_while(|around| around.starts_with(&place));
        around.filter_map(|around| limit(around, &version)).collect::<Vec<_>>()
    });
    limits.filter(|limit| limit.total < installed).min_by_key(|limit| limit.left)
}

/// The limit of one group, if it has one.
fn limit(group: &Path, version: &CgroupVersion) -> Option<CgroupLimit> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let total = version.limits.iter().filter_map(|name| number(name)).min()?;
    let used = number(version.usage)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let reclaimable = stat.lines().find_map(|line| {
        let (name, bytes) = line.split_once(' ')?;
        (name == version.reclaimable).then(|| bytes.trim().parse::<u64>().ok())?
    });
    Some(CgroupLimit { total, left: total.saturating_sub(used.saturating_sub(reclaimable.unwrap_or_default())) })
}

/// This program's group, from the lines `number:controllers:path` of `/proc/self/cgroup`.
fn own_group(groups: &str, is_wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        is_wanted(number, controllers).then(|| PathBuf::from(path))
    })
}

/// The group that is mounted, and its mount point, from `/proc/self/mountinfo`.
fn mount(mounts: &str, is_wanted: impl Fn(&str, &str) -> bool) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (group, place) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        is_wanted(kind, options).then(|| (PathBuf::from(group), PathBuf::from(place)))
    })
}

/// The path from the mounted group to `group`. A container sees its host's groups by name, but not their files: then the
/// mounted group itself is meant.
fn below(group: &Path, mounted: &Path) -> PathBuf {
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    match group.strip_prefix(mounted) {
        Ok(rest) if is_plain(rest) => rest.to_owned(),
        _ => PathBuf::new(),
    }
}

/// Memory pressure (PSI): the shares of the last ten seconds in which some and in which all programs waited for memory.
/// Of the machine or of this program's container, whichever is greater.
#[cfg(target_os = "linux")]
pub(crate) fn pressure() -> (Option<f64>, Option<f64>) {
    // absent before kernel 4.20, and where it was disabled
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let machine = parse_pressure(&text("/proc/pressure/memory".as_ref()));
    let groups = text("/proc/self/cgroup".as_ref());
    let container = pressure_file(&groups).map(|file| parse_pressure(&text(&file))).unwrap_or_default();
    // an unknown share is less than any known one
    let greater = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
    (greater(machine.0, container.0), greater(machine.1, container.1))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pressure() -> (Option<f64>, Option<f64>) {
    (None, None)
}

/// The pressure file of the program's own group (version 2).
#[cfg(any(target_os = "linux", test))]
fn pressure_file(groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path).join("memory.pressure"))
}

/// Reads `some avg10=1.25 avg60=0.80 …`, in percent, and the same for `full`.
#[cfg(any(target_os = "linux", test))]
fn parse_pressure(text: &str) -> (Option<f64>, Option<f64>) {
    let share = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word))?;
        let percent: f64 = line.trim_start().strip_prefix("avg10=")?.split_whitespace().next()?.parse().ok()?;
        Some(percent / 100.0)
    };
    (share("some"), share("full"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    /// An imitation of a system with these files.
    fn system(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn v2(group: &str, max: &str, current: u64, inactive: u64) -> [(String, String); 3] {
        let file = |name: &str| format!("sys/fs/cgroup{group}/{name}");
        [
            (file("memory.max"), format!("{max}\n")),
            (file("memory.current"), format!("{current}\n")),
            (file("memory.stat"), format!("anon 1\ninactive_file {inactive}\ntotal_inactive_file 7\n")),
        ]
    }

    fn of_v2(own: &str, groups: &[[(String, String); 3]]) -> tempfile::TempDir {
        let mut files = vec![
            ("proc/self/cgroup", format!("0::{own}\n")),
            (
                "proc/self/mountinfo",
                "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n".to_owned(),
            ),
        ];
        files.extend(groups.iter().flatten().map(|(path, text)| (path.as_str(), text.clone())));
        system(&files)
    }

    #[test]
    fn each_limit_is_compared_with_what_its_own_group_uses() {
        let groups = [
            v2("/night.slice", &(8 * GB).to_string(), 7 * GB, GB / 2),
            v2("/night.slice/batch.service", &(4 * GB).to_string(), 2 * GB, GB),
            v2("/night.slice/other.service", "max", 6 * GB, 0),
        ];
        let root = of_v2("/night.slice/batch.service", &groups);
        // the outer one has 1.5 GB left because of the neighbour, the own one 3 GB
        let tightest = tightest_in(root.path(), 16 * GB);
        assert_eq!(tightest, Some(CgroupLimit { total: 8 * GB, left: GB + GB / 2 }));
        let alone = of_v2("/night.slice/batch.service", &groups[1..2]);
        assert_eq!(tightest_in(alone.path(), 16 * GB), Some(CgroupLimit { total: 4 * GB, left: 3 * GB }));
        assert_eq!(tightest_in(alone.path(), 4 * GB), None, "no less than the machine has");
    }

    #[test]
    fn a_group_that_is_slowed_down_has_a_limit_too() {
        let root = of_v2("/a", &[v2("/a", "max", GB, 0)]);
        assert_eq!(tightest_in(root.path(), 16 * GB), None);
        fs::write(root.path().join("sys/fs/cgroup/a/memory.high"), (2 * GB).to_string()).unwrap();
        assert_eq!(tightest_in(root.path(), 16 * GB), Some(CgroupLimit { total: 2 * GB, left: GB }));
    }

    #[test]
    fn a_container_that_sees_its_own_group_as_the_outermost_is_known() {
        let root = of_v2("/", &[v2("", &GB.to_string(), GB * 2, 0)]);
        assert_eq!(tightest_in(root.path(), 16 * GB), Some(CgroupLimit { total: GB, left: 0 }));
        let elsewhere = of_v2("/../../other", &[v2("", &GB.to_string(), 0, 0)]);
        assert_eq!(tightest_in(elsewhere.path(), 16 * GB), Some(CgroupLimit { total: GB, left: GB }));
    }

    #[test]
    fn the_first_version_is_read_where_it_has_the_memory() {
        let mounts = "35 31 0:32 /docker/7f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                      36 31 0:33 /docker/7f /sys/fs/cgroup/devices ro - cgroup cgroup rw,devices\n\
                      41 31 0:38 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n";
        let at = |name: &str| format!("sys/fs/cgroup/memory/{name}");
        let files = [
            ("proc/self/cgroup", "4:memory:/docker/7f/x\n3:cpu:/\n0::/\n".to_owned()),
            ("proc/self/mountinfo", mounts.to_owned()),
            (&at("memory.limit_in_bytes"), (3 * GB).to_string()),
            (&at("memory.usage_in_bytes"), (2 * GB).to_string()),
            (&at("memory.stat"), format!("inactive_file 5\ntotal_inactive_file {GB}\n")),
            (&at("x/memory.limit_in_bytes"), "9223372036854771712".to_owned()),
            (&at("x/memory.usage_in_bytes"), GB.to_string()),
        ];
        let root = system(&files);
        assert_eq!(tightest_in(root.path(), 16 * GB), Some(CgroupLimit { total: 3 * GB, left: 2 * GB }));
    }

    #[test]
    fn without_groups_there_is_no_limit() {
        assert_eq!(tightest_in(tempfile::tempdir().unwrap().path(), GB), None);
        assert!(tightest(u64::MAX).is_none_or(|limit| limit.left <= limit.total));
    }

    #[test]
    fn both_shares_of_pressure_are_read_and_absent_ones_are_unknown() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.01 total=9\nfull avg10=0.00 avg60=0.0 avg300=0 total=3\n";
        assert_eq!(parse_pressure(text), (Some(0.125), Some(0.0)));
        assert_eq!(parse_pressure(""), (None, None));
        assert_eq!(parse_pressure("some avg60=1"), (None, None));
    }

    #[test]
    fn pressure_is_read_of_the_group_in_the_unified_hierarchy() {
        let groups = "4:memory:/x\n0::/system.slice/nightly.service\n";
        let found = pressure_file(groups).unwrap();
        assert_eq!(found, Path::new("/sys/fs/cgroup/system.slice/nightly.service/memory.pressure"));
        assert_eq!(pressure_file("0::/\n").unwrap(), Path::new("/sys/fs/cgroup/memory.pressure"));
        assert_eq!(pressure_file("4:memory:/x\n"), None);
    }
}
