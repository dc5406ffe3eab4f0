//! The fold of facts into [`Governance`].

use std::collections::{BTreeMap, BTreeSet};

use kith_core::body::SpaceRole;
use kith_core::identity::AuthorId;
use kith_core::record::{MAX_HEADS, RecordId, SpaceId};
use kith_core::time::Hlc;
use serde_bytes::ByteArray;

use super::fact::{Fact, Join, What, is_genesis_of};
use super::{Governance, Member};

/// What orders records that do not name each other.
type Key = (Hlc, RecordId);

impl Governance {
    /// The people and rules of `space` as these facts state them, in whatever order they are given.
    #[must_use]
    pub fn of<'a>(space: &SpaceId, facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let facts: BTreeMap<RecordId, &Fact> = facts.into_iter().map(|f| (f.id, f)).collect();
        let winners = winners(facts.values().copied());
        let mut governance = Self::default();
        // Who joins knows nothing of the space, so a join names no heads; it is taken up when its issuer
        // comes in, whichever clock was ahead.
        let mut early: BTreeMap<AuthorId, Vec<&Fact>> = BTreeMap::new();
        for fact in in_order(&facts) {
            let mut ready = vec![fact];
            while let Some(fact) = ready.pop() {
                if let What::Join(join) = &fact.what
                    && !governance.members.contains_key(&join.issuer)
                {
                    early.entry(join.issuer).or_default().push(fact);
                    continue;
                }
                governance.apply(space, fact, &winners);
                let newcomer = fact.names().filter(|a| governance.members.contains_key(a));
                let freed = newcomer.and_then(|newcomer| early.remove(&newcomer));
                ready.extend(freed.into_iter().flatten().rev());
            }
        }
        governance.known = known(space, facts.values().copied());
        governance.heads = heads(&facts);
        governance
    }

    fn apply(&mut self, space: &SpaceId, fact: &Fact, winners: &BTreeMap<ByteArray<32>, Key>) {
        match &fact.what {
            What::Genesis { name } => {
                if is_genesis_of(fact, space) {
                    self.name.clone_from(name);
                    self.come_in(fact, (fact.author, ""), None, SpaceRole::Owner);
                }
            }
            What::Join(join) => {
                if winners.get(&join.key).is_none_or(|key| *key == (fact.time, fact.id)) {
                    self.join(fact, join);
                }
            }
            What::Set { member, role, name } => self.set(fact, member, (*role, name)),
            What::Del { member } => self.del(fact, member),
            What::Policy { public } => {
                if self.role(&fact.author) == Some(SpaceRole::Owner) {
                    self.public.clone_from(public);
                }
            }
        }
    }

    fn join(&mut self, fact: &Fact, join: &Join) {
        // Somebody who was removed needs an invite made after that, or the old one would undo it.
        let fresh = |member: &Member| {
            let out = member.absences.last().filter(|(_, until)| until.is_none());
            out.is_some_and(|(from, _)| Hlc::at(join.not_before) > *from)
        };
        let welcome = self.members.get(&fact.author).is_none_or(fresh);
        if join.good && welcome && self.role(&join.issuer).is_some() {
            self.come_in(fact, (fact.author, &join.name), Some(join.issuer), SpaceRole::Member);
            if let Some(member) = self.members.get_mut(&fact.author) {
                member.node = Some(join.node);
            }
        }
    }

    fn set(&mut self, fact: &Fact, member: &AuthorId, (role, name): (SpaceRole, &str)) {
        let by_owner = self.role(&fact.author) == Some(SpaceRole::Owner);
        let renames = *member == fact.author && self.role(member) == Some(role);
        if renames || (by_owner && (role == SpaceRole::Owner || !self.is_last_owner(member))) {
            let invited_by = (*member != fact.author).then_some(fact.author);
            self.come_in(fact, (*member, name), invited_by, role);
        }
    }

    fn del(&mut self, fact: &Fact, member: &AuthorId) {
        let by_owner = self.role(&fact.author) == Some(SpaceRole::Owner);
        let allowed = by_owner || *member == fact.author;
        if !allowed || self.role(member).is_none() || self.is_last_owner(member) {
            return;
        }
        if let Some(member) = self.members.get_mut(member) {
            member.absences.push((fact.time, None));
        }
    }

    /// Makes somebody a member, or changes the role and name of one.
    fn come_in(
        &mut self,
        fact: &Fact,
        (author, name): (AuthorId, &str),
        invited_by: Option<AuthorId>,
        role: SpaceRole,
    ) {
        let member = self.members.entry(author).or_insert_with(|| Member {
            name: String::new(),
            role,
            since: fact.time,
            invited_by,
            node: None,
            absences: Vec::new(),
        });
        name.clone_into(&mut member.name);
        member.role = role;
        if let Some((_, until @ None)) = member.absences.last_mut() {
            *until = Some(fact.time);
        }
    }

    /// A space without an owner could never be changed again.
    fn is_last_owner(&self, author: &AuthorId) -> bool {
        let owner = |a: &AuthorId| self.role(a) == Some(SpaceRole::Owner);
        owner(author) && self.members.keys().filter(|a| owner(a)).count() == 1
    }
}

/// Of several uses of a single-use invite the earliest by (time, id) wins.
fn winners<'a>(facts: impl Iterator<Item = &'a Fact>) -> BTreeMap<ByteArray<32>, Key> {
    let mut winners = BTreeMap::new();
    for fact in facts {
        if let What::Join(join) = &fact.what
            && join.good
            && !join.many
        {
            let key = (fact.time, fact.id);
            winners.entry(join.key).and_modify(|w: &mut Key| *w = key.min(*w)).or_insert(key);
        }
    }
    winners
}

/// The agreed order: Kahn's algorithm over `g`, taking the least (time, id) that is free.
fn in_order<'a>(facts: &BTreeMap<RecordId, &'a Fact>) -> Vec<&'a Fact> {
    let mut waits: BTreeMap<RecordId, usize> = BTreeMap::new();
    let mut followers: BTreeMap<RecordId, Vec<&'a Fact>> = BTreeMap::new();
    let mut free: BTreeMap<Key, &'a Fact> = BTreeMap::new();
    for fact in facts.values().copied() {
        let before: BTreeSet<&RecordId> =
            fact.after.iter().filter(|id| facts.contains_key(id)).collect();
        for id in &before {
            followers.entry(**id).or_default().push(fact);
        }
        waits.insert(fact.id, before.len());
        if before.is_empty() {
            free.insert((fact.time, fact.id), fact);
        }
    }
    let mut order = Vec::with_capacity(facts.len());
    while let Some((_, fact)) = free.pop_first() {
        order.push(fact);
        for follower in followers.remove(&fact.id).unwrap_or_default() {
            let Some(left) = waits.get_mut(&follower.id) else { continue };
            *left -= 1;
            if *left == 0 {
                free.insert((follower.time, follower.id), follower);
            }
        }
    }
    order
}

fn known<'a>(space: &SpaceId, facts: impl Iterator<Item = &'a Fact>) -> BTreeSet<AuthorId> {
    let mut named: BTreeMap<AuthorId, Vec<AuthorId>> = BTreeMap::new();
    let mut reached = Vec::new();
    for fact in facts {
        match &fact.what {
            What::Genesis { .. } if is_genesis_of(fact, space) => reached.push(fact.author),
            What::Join(join) if join.good => {
                named.entry(join.issuer).or_default().push(fact.author);
            }
            What::Set { member, .. } => named.entry(fact.author).or_default().push(*member),
            What::Genesis { .. } | What::Join(_) | What::Del { .. } | What::Policy { .. } => {}
        }
    }
    let mut known = BTreeSet::new();
    while let Some(author) = reached.pop() {
        if known.insert(author) {
            reached.extend(named.remove(&author).unwrap_or_default());
        }
    }
    known
}

fn heads(facts: &BTreeMap<RecordId, &Fact>) -> Vec<RecordId> {
    let named: BTreeSet<&RecordId> = facts.values().flat_map(|f| &f.after).collect();
    let mut heads: Vec<(Hlc, RecordId)> =
        facts.values().filter(|f| !named.contains(&f.id)).map(|f| (f.time, f.id)).collect();
    heads.sort_unstable();
    let surplus = heads.len().saturating_sub(MAX_HEADS);
    heads.into_iter().skip(surplus).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUNDER: AuthorId = AuthorId([1; 32]);
    const ANN: AuthorId = AuthorId([2; 32]);
    const BEN: AuthorId = AuthorId([3; 32]);
    const SPACE: SpaceId = SpaceId([1; 32]);

    #[test]
    fn of_two_uses_of_a_single_use_invite_the_earlier_holds_and_both_are_kept() {
        let facts = [genesis(), join(3, ANN, 30, 9), join(4, BEN, 20, 9)];
        let governance = Governance::of(&SPACE, &facts);
        assert_eq!(governance.role(&BEN), Some(SpaceRole::Member));
        assert_eq!(governance.role(&ANN), None);
        assert!(governance.known.contains(&ANN) && governance.known.contains(&BEN));
    }

    #[test]
    fn a_removed_member_is_out_whatever_their_clock_says() {
        let mut del = fact(5, FOUNDER, 40, What::Del { member: ANN });
        del.after = vec![RecordId([3; 32])];
        let facts = [genesis(), join(3, ANN, 1 << 40, 9), del];
        let governance = Governance::of(&SPACE, &facts);
        assert_eq!(governance.role(&ANN), None);
        assert!(!governance.shows(&ANN, Hlc::from_bits(41)));
        assert!(governance.shows(&ANN, Hlc::from_bits(39)));
    }

    #[test]
    fn an_issuer_whose_clock_is_ahead_of_the_newcomers_still_lets_them_in() {
        let mut late = join(4, BEN, 20, 8);
        if let What::Join(join) = &mut late.what {
            join.issuer = ANN;
        }
        let governance = Governance::of(&SPACE, &[genesis(), join(3, ANN, 9_999, 9), late]);
        assert_eq!(governance.role(&BEN), Some(SpaceRole::Member));
    }

    #[test]
    fn an_old_invite_does_not_bring_a_removed_member_back() {
        let mut again = join(6, ANN, 50 << 16, 8);
        let del = fact(5, FOUNDER, 40 << 16, What::Del { member: ANN });
        let facts = [genesis(), join(3, ANN, 30 << 16, 9), del.clone(), again.clone()];
        assert_eq!(Governance::of(&SPACE, &facts).role(&ANN), None);
        if let What::Join(join) = &mut again.what {
            join.not_before = UnixTime::from_millis(45);
        }
        let facts = [genesis(), join(3, ANN, 30 << 16, 9), del, again];
        assert_eq!(Governance::of(&SPACE, &facts).role(&ANN), Some(SpaceRole::Member));
    }

    #[test]
    fn nobody_but_an_owner_changes_roles_and_the_last_owner_stays() {
        let promote = |id, by| {
            let what = What::Set { member: ANN, role: SpaceRole::Owner, name: "Ann".into() };
            fact(id, by, 40, what)
        };
        let leave = fact(7, FOUNDER, 50, What::Del { member: FOUNDER });
        let facts = [genesis(), join(3, ANN, 30, 9), promote(5, ANN), leave.clone()];
        let governance = Governance::of(&SPACE, &facts);
        assert_eq!(governance.role(&ANN), Some(SpaceRole::Member));
        assert_eq!(governance.role(&FOUNDER), Some(SpaceRole::Owner));
        let facts = [genesis(), join(3, ANN, 30, 9), promote(5, FOUNDER), leave];
        let governance = Governance::of(&SPACE, &facts);
        assert_eq!(governance.role(&ANN), Some(SpaceRole::Owner));
        assert_eq!(governance.role(&FOUNDER), None);
    }

    #[test]
    fn a_join_that_is_not_signed_as_it_must_be_makes_nobody_known() {
        let mut forged = join(3, ANN, 30, 9);
        if let What::Join(join) = &mut forged.what {
            join.good = false;
        }
        let governance = Governance::of(&SPACE, &[genesis(), forged]);
        assert_eq!(governance.role(&ANN), None);
        assert!(!governance.known.contains(&ANN));
    }

    fn fact(id: u8, author: AuthorId, time: u64, what: What) -> Fact {
        Fact { id: RecordId([id; 32]), time: Hlc::from_bits(time), author, after: vec![], what }
    }

    fn genesis() -> Fact {
        fact(1, FOUNDER, 1, What::Genesis { name: "Home".into() })
    }

    fn join(id: u8, author: AuthorId, time: u64, key: u8) -> Fact {
        let join = Join {
            issuer: FOUNDER,
            key: [key; 32].into(),
            many: false,
            not_before: UnixTime::from_millis(1),
            expires: UnixTime::from_millis(u64::MAX),
            node: kith_core::identity::NodeId([9; 32]),
            name: "x".into(),
            good: true,
        };
        fact(id, author, time, What::Join(join))
    }

    use kith_core::time::UnixTime;
}
