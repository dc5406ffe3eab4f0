//! What each program is started with: the only place that knows arguments, users, capabilities and limits.
//! Nothing that is wished for, and nothing in a rendered file, changes them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kith_model::daemon::{DaemonId, Program};
use kith_role::sandbox::user::{CapabilitySet, User};
use kith_role::users;

/// Where programs are looked for. Not `PATH`: whoever can set that must not choose what runs as root.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The file below `RUN/link` that dnsmasq writes and does not make.
const LEASES: &str = "dnsmasq.leases";

/// The name below `RUN` by which dhcpcd calls this program.
pub(crate) const HOOK: &str = "kith-dhcp-event";

/// How a daemon is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    /// Its program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Its configuration, which must be there.
    pub(crate) configuration: Option<PathBuf>,
}

/// At most so much of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Memory in bytes, with what the kernel keeps for it.
    pub(crate) memory: u64,
    /// Processes and threads.
    pub(crate) pids: u64,
}

/// Where a program is.
pub(crate) fn find(program: Program) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(program.name())).find(|path| path.is_file())
}

/// What a daemon is started with.
pub(crate) fn launch(id: &DaemonId, program: PathBuf, run: &Path, dropped: bool) -> Launch {
    let configuration = run.join("link").join(id.file());
    let instance = || OsString::from(id.instance.to_string());
    let path = || OsString::from(&configuration);
    let arguments = match id.program {
        Program::Hostapd => vec![path()],
        Program::WpaSupplicant => {
            vec!["-Dnl80211".into(), "-i".into(), instance(), "-c".into(), path()]
        }
        Program::Dnsmasq => {
            let mut arguments = vec![
                "--keep-in-foreground".into(),
                joined("--conf-file=", &configuration),
                "--log-facility=-".into(),
                "--pid-file=".into(),
            ];
            if !dropped {
                // As root it would become somebody else by itself, which a namespace may refuse.
                arguments.extend(["--user=root".into(), "--group=".into()]);
            }
            arguments
        }
        Program::Dhcpcd => vec![
            "--nobackground".into(),
            "--noconfigure".into(),
            "-f".into(),
            path(),
            "--script".into(),
            run.join(HOOK).into(),
            instance(),
        ],
    };
    Launch { program, arguments, configuration: Some(configuration) }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

/// Whom a program runs as.
pub(crate) fn user(program: Program) -> User {
    let network = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    let own = |keep| User {
        uid: users::of(program),
        gid: users::of(program),
        groups: vec![users::RENDERED],
        keep,
    };
    match program {
        Program::Hostapd | Program::WpaSupplicant => own(network),
        Program::Dnsmasq => own(network | CapabilitySet::NET_BIND_SERVICE),
        // It starts as root and separates its parts itself; what that does not take is taken away.
        Program::Dhcpcd => User {
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            keep: network
                | CapabilitySet::NET_BIND_SERVICE
                | CapabilitySet::NET_BROADCAST
                | CapabilitySet::CHOWN
                | CapabilitySet::DAC_OVERRIDE
                | CapabilitySet::FOWNER
                | CapabilitySet::KILL
                | CapabilitySet::SETGID
                | CapabilitySet::SETUID
                | CapabilitySet::SYS_CHROOT,
        },
    }
}

/// How much of the machine a program gets. Measured idle they take 3 to 6 MiB; what is beyond that is for
/// many clients, and the rest of a board of 128 MiB for everybody else.
pub(crate) const fn limits(program: Program) -> Limits {
    let (mebibytes, pids) = match program {
        Program::Hostapd | Program::WpaSupplicant => (24, 8),
        Program::Dnsmasq => (32, 24),
        Program::Dhcpcd => (24, 24),
    };
    Limits { memory: mebibytes << 20, pids }
}

/// The file below `RUN/link` that a program writes without being able to make it.
pub(crate) const fn writes(program: Program) -> Option<&'static str> {
    match program {
        Program::Dnsmasq => Some(LEASES),
        Program::Hostapd | Program::WpaSupplicant | Program::Dhcpcd => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_its_arguments_and_its_configuration() {
        let shown = |program, instance: &str| {
            let id = DaemonId { program, instance: instance.parse().unwrap() };
            let launch = launch(&id, "/usr/sbin/x".into(), Path::new("/run/kith"), true);
            let arguments: Vec<_> =
                launch.arguments.iter().map(|a| a.to_str().unwrap().to_owned()).collect();
            arguments.join(" ")
        };
        assert_eq!(shown(Program::Hostapd, "phy0"), "/run/kith/link/hostapd-phy0");
        assert_eq!(
            shown(Program::WpaSupplicant, "kith-mesh0"),
            "-Dnl80211 -i kith-mesh0 -c /run/kith/link/wpa_supplicant-kith-mesh0"
        );
        assert_eq!(
            shown(Program::Dnsmasq, "lan"),
            "--keep-in-foreground --conf-file=/run/kith/link/dnsmasq-lan --log-facility=- --pid-file="
        );
        assert_eq!(
            shown(Program::Dhcpcd, "eth0"),
            "--nobackground --noconfigure -f /run/kith/link/dhcpcd-eth0 \
             --script /run/kith/kith-dhcp-event eth0"
        );
    }

    #[test]
    fn no_program_may_load_modules_trace_or_mount() {
        let too_much = CapabilitySet::SYS_ADMIN
            | CapabilitySet::SYS_MODULE
            | CapabilitySet::SYS_PTRACE
            | CapabilitySet::SYS_RAWIO
            | CapabilitySet::SETPCAP
            | CapabilitySet::MKNOD;
        for program in Program::ALL {
            assert!(!user(program).keep.intersects(too_much), "{program:?}");
            assert!(user(program).uid != 0 || program == Program::Dhcpcd);
        }
    }
}
