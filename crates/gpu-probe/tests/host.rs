//! Host memory read from fixture trees of `/proc` and `/sys/fs/cgroup`.

use std::fs;
use std::path::Path;

use gpu_probe::{CgroupLimit, Host, HostRoots, LimitKind, Reading};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
/// 16 GiB in all, 12 GiB available.
const MEMINFO: &str =
    "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:   12582912 kB\n";
/// What v1 writes where nothing limits.
const V1_UNLIMITED: &str = "9223372036854771712\n";

/// A machine of `(path, text)` files below one folder that holds `proc` and `cgroup`.
fn read(files: &[(&str, &str)]) -> (TempDir, Host) {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let host = Host::read(&HostRoots {
        proc: root.path().join("proc"),
        cgroup: root.path().join("cgroup"),
    });
    (root, host)
}

/// Checks usable MiB and the folder, below the root of the control groups, of the limit that counts.
fn check(what: &str, cgroup_files: &[(&str, &str)], usable_mib: u64, limited_by: Option<&str>) {
    let mut files = vec![("proc/meminfo", MEMINFO)];
    files.extend(cgroup_files);
    let (root, host) = read(&files);
    assert_eq!(host.total_memory, Reading::Value(16_384 * MIB), "{what}");
    assert_eq!(
        host.available_memory,
        Reading::Value(12_288 * MIB),
        "{what}"
    );
    assert_eq!(
        host.usable_memory,
        Reading::Value(usable_mib * MIB),
        "{what}"
    );
    let limit = host.cgroup.as_result().unwrap().as_ref();
    let folder = root.path().join("cgroup");
    assert_eq!(
        limit.map(|limit| limit.path.strip_prefix(&folder).unwrap()),
        limited_by.map(Path::new),
        "{what}"
    );
}

/// No idle file cache.
const STAT: &str = "anon 1\ninactive_file 0\nactive_file 5\n";

#[test]
fn without_limit_all_that_is_available_is_usable() {
    check("no control groups at all", &[], 12_288, None);
    check(
        "v2, root group",
        &[("proc/self/cgroup", "0::/\n")],
        12_288,
        None,
    );
    check(
        "v2, no limit",
        &[
            ("proc/self/cgroup", "0::/job\n"),
            ("cgroup/job/memory.max", "max\n"),
            ("cgroup/job/memory.current", "1048576\n"),
        ],
        12_288,
        None,
    );
    check(
        "v1, no limit",
        &[
            ("proc/self/cgroup", "5:memory:/job\n1:cpu:/\n0::/\n"),
            ("cgroup/memory/job/memory.limit_in_bytes", V1_UNLIMITED),
            ("cgroup/memory/job/memory.usage_in_bytes", "1\n"),
            ("cgroup/memory/job/memory.stat", "total_inactive_file 0\n"),
        ],
        12_288,
        None,
    );
}

#[test]
fn a_limit_of_the_group_or_its_parents_bounds_what_is_usable() {
    check(
        "v2, limit of the own group: 4 GiB less 1 GiB held",
        &[
            ("proc/self/cgroup", "0::/slice/job\n"),
            ("cgroup/slice/memory.max", "max\n"),
            ("cgroup/slice/job/memory.max", "4294967296\n"),
            ("cgroup/slice/job/memory.current", "1073741824\n"),
            ("cgroup/slice/job/memory.stat", STAT),
        ],
        3072,
        Some("slice/job"),
    );
    check(
        "v2, a parent with a larger limit has less left: 6 GiB less 5 GiB",
        &[
            ("proc/self/cgroup", "0::/slice/job\n"),
            ("cgroup/slice/memory.max", "6442450944\n"),
            ("cgroup/slice/memory.current", "5368709120\n"),
            ("cgroup/slice/memory.stat", STAT),
            ("cgroup/slice/job/memory.max", "4294967296\n"),
            ("cgroup/slice/job/memory.current", "1073741824\n"),
            ("cgroup/slice/job/memory.stat", STAT),
        ],
        1024,
        Some("slice"),
    );
    check(
        "v2, 2 GiB of what is held are idle file cache",
        &[
            ("proc/self/cgroup", "0::/job\n"),
            ("cgroup/job/memory.max", "4294967296\n"),
            ("cgroup/job/memory.current", "3221225472\n"),
            (
                "cgroup/job/memory.stat",
                "anon 1\ninactive_file 2147483648\n",
            ),
        ],
        3072,
        Some("job"),
    );
    check(
        "v2, more held than allowed",
        &[
            ("proc/self/cgroup", "0::/job\n"),
            ("cgroup/job/memory.max", "1048576\n"),
            ("cgroup/job/memory.current", "2097152\n"),
            ("cgroup/job/memory.stat", STAT),
        ],
        0,
        Some("job"),
    );
    check(
        "v2, the limit leaves more than the machine has available",
        &[
            ("proc/self/cgroup", "0::/job\n"),
            ("cgroup/job/memory.max", "15032385536\n"),
            ("cgroup/job/memory.current", "0\n"),
            ("cgroup/job/memory.stat", STAT),
        ],
        12_288,
        Some("job"),
    );
}

/// The rows of `/proc/self/limits` beside and around that of the address space.
fn limits(soft: &str) -> String {
    format!(
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max processes             95840                95840                processes \n\
         Max address space         {soft:<20} unlimited            bytes     \n\
         Max file locks            unlimited            unlimited            locks     \n"
    )
}

#[test]
fn a_limit_of_the_address_space_bounds_what_is_usable() {
    const STATUS: &str = "Name:\taoa\nVmPeak:\t  409600 kB\nVmSize:\t  307200 kB\n";
    for (what, soft, usable) in [
        ("1000 MiB, of which 300 are mapped", "1048576000", 700),
        ("less than is mapped", "1048576", 0),
        ("more than the machine has", "549755813888", 12_288),
        ("none", "unlimited", 12_288),
    ] {
        let limits = limits(soft);
        let files = [
            ("proc/self/limits", limits.as_str()),
            ("proc/self/status", STATUS),
        ];
        check(what, &files, usable, None);
    }
    let limits = limits("4194304000");
    check(
        "a control group leaves less",
        &[
            ("proc/self/limits", limits.as_str()),
            ("proc/self/status", STATUS),
            ("proc/self/cgroup", "0::/job\n"),
            ("cgroup/job/memory.max", "1073741824\n"),
            ("cgroup/job/memory.current", "0\n"),
            ("cgroup/job/memory.stat", STAT),
        ],
        1024,
        Some("job"),
    );
    let unreadable = [
        ("proc/meminfo", MEMINFO),
        ("proc/self/limits", limits.as_str()),
    ];
    let (_root, host) = read(&unreadable);
    assert!(host.usable_memory.as_result().is_err(), "{host:?}");
}

#[test]
fn the_limit_that_leaves_less_counts() {
    const STATUS: &str = "VmSize:\t  307200 kB\nVmData:\t  102400 kB\n";
    for (what, space, data, usable, kind) in [
        (
            "data alone, 500 MiB of which 100 are mapped",
            "unlimited",
            "524288000",
            400,
            LimitKind::Data,
        ),
        (
            "a larger limit of data",
            "524288000",
            "629145600",
            200,
            LimitKind::AddressSpace,
        ),
        (
            "a smaller limit of data that leaves more",
            "734003200",
            "629145600",
            400,
            LimitKind::AddressSpace,
        ),
        (
            "a smaller limit of data that leaves less",
            "1048576000",
            "629145600",
            500,
            LimitKind::Data,
        ),
    ] {
        let limits = limits(space) + &format!("Max data size  {data}  unlimited  bytes\n");
        let files = [
            ("proc/self/limits", limits.as_str()),
            ("proc/self/status", STATUS),
        ];
        check(what, &files, usable, None);
        let (_root, host) = read(&[("proc/meminfo", MEMINFO), files[0], files[1]]);
        let tightest = host.address_space.as_result().unwrap().unwrap();
        assert_eq!(tightest.kind, kind, "{what}");
    }
}

#[test]
fn groups_seen_from_inside_a_container() {
    check(
        "v2, a container that sees its own group as the root",
        &[
            ("proc/self/cgroup", "0::/docker/abc\n"),
            ("cgroup/memory.max", "2147483648\n"),
            ("cgroup/memory.current", "0\n"),
            ("cgroup/memory.stat", STAT),
        ],
        2048,
        Some(""),
    );
    check(
        "v2, a path out of the namespace leaves the root only",
        &[
            ("proc/self/cgroup", "0::/../job\n"),
            ("cgroup/memory.max", "2147483648\n"),
            ("cgroup/memory.current", "0\n"),
            ("cgroup/memory.stat", STAT),
            ("job/memory.max", "1\n"),
        ],
        2048,
        Some(""),
    );
}

#[test]
fn version_1_of_the_control_groups() {
    check(
        "v1, controllers mounted together, 1 GiB less 256 MiB, the parent without limit",
        &[
            ("proc/self/cgroup", "5:hugetlb,memory:/slice/job\n"),
            ("cgroup/memory/slice/memory.limit_in_bytes", V1_UNLIMITED),
            ("cgroup/memory/slice/memory.usage_in_bytes", "0\n"),
            ("cgroup/memory/slice/memory.stat", "total_inactive_file 0\n"),
            (
                "cgroup/memory/slice/job/memory.limit_in_bytes",
                "1073741824\n",
            ),
            (
                "cgroup/memory/slice/job/memory.usage_in_bytes",
                "536870912\n",
            ),
            (
                "cgroup/memory/slice/job/memory.stat",
                "inactive_file 1\ntotal_inactive_file 268435456\n",
            ),
        ],
        768,
        Some("memory/slice/job"),
    );
}

#[test]
fn the_limit_is_reported_with_its_numbers() {
    let (root, host) = read(&[
        ("proc/meminfo", MEMINFO),
        ("proc/self/cgroup", "0::/job\n"),
        ("cgroup/job/memory.max", "4000\n"),
        ("cgroup/job/memory.current", "3000\n"),
        ("cgroup/job/memory.stat", "inactive_file 500\n"),
    ]);
    let expected = CgroupLimit {
        path: root.path().join("cgroup/job"),
        limit: 4000,
        current: 3000,
        reclaimable: 500,
    };
    assert_eq!(expected.headroom(), 1500);
    assert_eq!(host.cgroup, Reading::Value(Some(expected)));
}

#[test]
fn what_cannot_be_read_names_its_file() {
    fn reason<T: std::fmt::Debug>(reading: &Reading<T>) -> &str {
        reading.as_result().expect_err("a reading without value")
    }
    // As on a system without procfs.
    let (_root, host) = read(&[]);
    for reading in [
        &host.total_memory,
        &host.available_memory,
        &host.usable_memory,
    ] {
        assert!(
            reason(reading).contains("proc/meminfo: No such file"),
            "{reading:?}"
        );
    }
    assert!(host.cores.as_result().is_ok());

    let (_root, host) = read(&[("proc/meminfo", "MemTotal: many kB\nMemAvailable: 1024 kB\n")]);
    assert!(reason(&host.total_memory).ends_with("proc/meminfo has no readable MemTotal"));
    assert_eq!(host.available_memory, Reading::Value(MIB));

    for (path, text, said) in [
        (
            "cgroup/job/memory.max",
            "lots\n",
            "memory.max: \"lots\" is not a number of bytes",
        ),
        (
            "cgroup/job/memory.current",
            "\n",
            "memory.current: \"\" is not a number of bytes",
        ),
        (
            "cgroup/job/memory.stat",
            "anon 1\n",
            "memory.stat has no inactive_file",
        ),
        (
            "proc/self/cgroup",
            "nonsense\n",
            "self/cgroup: cannot read \"nonsense\"",
        ),
    ] {
        let mut files = vec![
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/job\n"),
            ("cgroup/job/memory.max", "4000\n"),
            ("cgroup/job/memory.current", "3000\n"),
            ("cgroup/job/memory.stat", "inactive_file 500\n"),
        ];
        files.push((path, text));
        let (_root, host) = read(&files);
        assert!(reason(&host.cgroup).ends_with(said), "{:?}", host.cgroup);
        assert_eq!(reason(&host.usable_memory), reason(&host.cgroup));
        assert_eq!(host.available_memory, Reading::Value(12_288 * MIB));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_can_be_read() {
    let host = Host::read(&HostRoots::default());
    let [total, available, usable] = [
        &host.total_memory,
        &host.available_memory,
        &host.usable_memory,
    ]
    .map(|reading| *reading.as_result().unwrap());
    assert!(usable <= available && available <= total && total > 0);
}
