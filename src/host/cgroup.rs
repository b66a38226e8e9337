//! What the containers around this program still have to give: control groups of Linux, of version 2 and of version 1.
//!
//! A limit may be set on any of the groups that a program is in, from its own up to the outermost, and what others in the
//! same group use counts towards it as well. So each limit is compared with what its own group uses; the one with least
//! left is what counts.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// A group's limit, and what is left of it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CgroupLimit {
    pub(crate) total: u64,
    pub(crate) left: u64,
}

/// The limit with least left, of those that are less than the machine's memory; none outside of a container.
pub(crate) fn tightest(installed: u64) -> Option<CgroupLimit> {
    if cfg!(target_os = "linux") { tightest_in(Path::new("/"), installed) } else { None }
}

/// The names of the files that tell of one group, which differ between the versions.
struct CgroupVersion {
    limits: &'static [&'static str],
    usage: &'static str,
    /// In `memory.stat`: pages of files that nobody has used for a while. They count as used and give way at once.
    gives_way: &'static str,
}

/// `memory.high` ends nobody, but whoever is above it is slowed down until it is not.
const SECOND: CgroupVersion =
    CgroupVersion { limits: &["memory.max", "memory.high"], usage: "memory.current", gives_way: "inactive_file" };
const FIRST: CgroupVersion = CgroupVersion {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    gives_way: "total_inactive_file", // with that of the groups inside, as the usage is
};

/// The same for the system whose files begin at `root`.
fn tightest_in(root: &Path, installed: u64) -> Option<CgroupLimit> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let second = own_group(&groups, |number, _| number == "0").zip(mount(&mounts, |kind, _| kind == "cgroup2"));
    let has_memory = |list: &str| list.split(',').any(|word| word == "memory");
    let first = own_group(&groups, |_, controllers| has_memory(controllers))
        .zip(mount(&mounts, |kind, options| kind == "cgroup" && has_memory(options)));
    let folders = [(second, SECOND), (first, FIRST)].into_iter().filter_map(|(found, version)| {
        let (group, (mounted, place)) = found?;
        // what begins with a slash would take the place of the root
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
    let about = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let gives_way = about.lines().find_map(|line| {
        let (name, bytes) = line.split_once(' ')?;
        (name == version.gives_way).then(|| bytes.trim().parse::<u64>().ok())?
    });
    Some(CgroupLimit { total, left: total.saturating_sub(used.saturating_sub(gives_way.unwrap_or_default())) })
}

/// This program's group in `/proc/self/cgroup`: lines of `number:controllers:path`.
fn own_group(groups: &str, is_meant: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        is_meant(number, controllers).then(|| PathBuf::from(path))
    })
}

/// Which group is mounted, and where, by `/proc/self/mountinfo`.
fn mount(mounts: &str, is_meant: impl Fn(&str, &str) -> bool) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (group, place) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        is_meant(kind, options).then(|| (PathBuf::from(group), PathBuf::from(place)))
    })
}

/// The way to `group` from the one that is mounted. What is not below that (a container sees the groups of its host by
/// name, but not their files) is the mounted one itself.
fn below(group: &Path, mounted: &Path) -> PathBuf {
    let is_plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    match group.strip_prefix(mounted) {
        Ok(rest) if is_plain(rest) => rest.to_owned(),
        _ => PathBuf::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    /// A made-up system with these files.
    fn system(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn second(group: &str, max: &str, current: u64, inactive: u64) -> [(String, String); 3] {
        let file = |name: &str| format!("sys/fs/cgroup{group}/{name}");
        [
            (file("memory.max"), format!("{max}\n")),
            (file("memory.current"), format!("{current}\n")),
            (file("memory.stat"), format!("anon 1\ninactive_file {inactive}\ntotal_inactive_file 7\n")),
        ]
    }

    fn of_second(own: &str, groups: &[[(String, String); 3]]) -> tempfile::TempDir {
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
            second("/night.slice", &(8 * GB).to_string(), 7 * GB, GB / 2),
            second("/night.slice/batch.service", &(4 * GB).to_string(), 2 * GB, GB),
            second("/night.slice/other.service", "max", 6 * GB, 0),
        ];
        let root = of_second("/night.slice/batch.service", &groups);
        // the outer one has 1.5 GB left because of the neighbour, the own one 3 GB
        let tightest = tightest_in(root.path(), 16 * GB);
        assert_eq!(tightest, Some(CgroupLimit { total: 8 * GB, left: GB + GB / 2 }));
        let alone = of_second("/night.slice/batch.service", &groups[1..2]);
        assert_eq!(tightest_in(alone.path(), 16 * GB), Some(CgroupLimit { total: 4 * GB, left: 3 * GB }));
        assert_eq!(tightest_in(alone.path(), 4 * GB), None, "no less than the machine has");
    }

    #[test]
    fn a_group_that_is_slowed_down_has_a_limit_too() {
        let root = of_second("/a", &[second("/a", "max", GB, 0)]);
        assert_eq!(tightest_in(root.path(), 16 * GB), None);
        fs::write(root.path().join("sys/fs/cgroup/a/memory.high"), (2 * GB).to_string()).unwrap();
        assert_eq!(tightest_in(root.path(), 16 * GB), Some(CgroupLimit { total: 2 * GB, left: GB }));
    }

    #[test]
    fn a_container_that_sees_its_own_group_as_the_outermost_is_known() {
        let root = of_second("/", &[second("", &GB.to_string(), GB * 2, 0)]);
        assert_eq!(tightest_in(root.path(), 16 * GB), Some(CgroupLimit { total: GB, left: 0 }));
        let elsewhere = of_second("/../../other", &[second("", &GB.to_string(), 0, 0)]);
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
}
