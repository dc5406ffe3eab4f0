//! What Linux's NAT does otherwise than the standards want, and why that is left so. A line that holds
//! after all, or that was not seen, fails: the list stays true.

/// The requirement as its line has it, and the reason.
pub(super) const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "RFC 4787 REQ-1 when two devices use one port",
        "Linux gives the second device another port only towards a server that the first one uses as well; \
         met when two devices choose the same of 64,512 ports and the same server",
    ),
    (
        "RFC 4787 REQ-3 no port is used for two devices",
        "Linux tells flows apart by both ends, so two devices share a port towards different servers; \
         answers reach the right one",
    ),
    (
        "RFC 4787 REQ-9 hairpin of a port that nobody has opened",
        "Linux accepts from outside, and so from inside by the outer address, only what matches a flow; \
         devices of one house reach each other directly",
    ),
    (
        "RFC 4787 REQ-9a hairpin shows the outer address",
        "a device sees the box's inner address, which its own firewall knows as local",
    ),
    (
        "RFC 6092 3.3.1 an unsolicited connection is answered after six seconds",
        "no answer at all: an answer would tell a stranger that there is a device, and hole punching does \
         without",
    ),
];
