//! The noticeboard: notices with their replies, one level deep.

use askama::Template;
use kith_core::body::MAX_TEXT;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Post;

use crate::answer::{Answer, Failure, page, page_with, see, status_of};
use crate::ask::{Ask, expect_reply};
use crate::flash::Flash;
use crate::lang::msg;
use crate::urls;
use crate::view::{Nav, View};

/// How many notices and replies one page shows.
const NOTICES: u32 = 40;

#[derive(Template)]
#[template(path = "board.html")]
struct Page {
    v: View,
    threads: Vec<Thread>,
    older: Option<String>,
    newest: bool,
    /// What was typed, when it could not be put up.
    draft: String,
    draft_re: Option<String>,
}

/// A notice and what was answered to it, oldest answer first.
struct Thread {
    post: Post,
    /// Whether it answers a notice that is not on this page.
    elsewhere: bool,
    replies: Vec<Post>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Board);
    Ok(page(&board(&ask, v).await?))
}

async fn board(ask: &Ask, v: View) -> Result<Page, Failure> {
    let before = ask.query.some("before");
    let newest = before.is_none();
    let command = Command::Posts { space: ask.space(), before, limit: Some(NOTICES) };
    let (v, posts) = v.with_spaces_and(ask, command).await;
    let posts = expect_reply!(posts?, Posts);
    let full = posts.len() >= NOTICES as usize;
    let older = posts.last().filter(|_| full).map(|last| {
        urls::with_query(
            "/board",
            &[("space", ask.space().as_deref()), ("before", Some(&last.cursor))],
        )
    });
    Ok(Page { v, threads: threads(posts), older, newest, draft: String::new(), draft_re: None })
}

/// Gathers replies under their notices; the thread with the newest post comes first.
fn threads(posts: Vec<Post>) -> Vec<Thread> {
    let (mut threads, mut replies): (Vec<Thread>, Vec<Post>) = (Vec::new(), Vec::new());
    let ids: Vec<(String, Option<String>)> =
        posts.iter().map(|post| (post.id.clone(), post.re.clone())).collect();
    for post in posts {
        // Replies to replies hang below the notice that began the thread.
        let mut root = post.re.clone();
        for _ in 0..ids.len() {
            let above =
                ids.iter().find(|(id, _)| Some(id) == root.as_ref()).and_then(|(_, re)| re.clone());
            if above.is_none() {
                break;
            }
            root = above;
        }
        match root {
            Some(root) if ids.iter().any(|(id, _)| *id == root) && root != post.id => {
                replies.push(Post { re: Some(root), ..post });
            }
            Some(_) => threads.push(Thread { post, elsewhere: true, replies: Vec::new() }),
            None => threads.push(Thread { post, elsewhere: false, replies: Vec::new() }),
        }
    }
    for reply in replies.into_iter().rev() {
        if let Some(thread) =
            threads.iter_mut().find(|thread| Some(&thread.post.id) == reply.re.as_ref())
        {
            thread.replies.push(reply);
        }
    }
    let latest = |thread: &Thread| {
        thread.replies.iter().map(|reply| reply.time).max().max(Some(thread.post.time))
    };
    threads.sort_by_key(|thread| std::cmp::Reverse(latest(thread)));
    threads
}

pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    // Browsers send line ends as CR LF.
    let text = ask.form.text("text").replace("\r\n", "\n").trim().to_owned();
    let (space, re) = (ask.space(), ask.form.some("re"));
    let posted = match too_long(&text) {
        Some(refusal) => Err(refusal),
        None => ask.call(Command::Post { space, text: text.clone(), re: re.clone() }).await,
    };
    match posted {
        Ok(reply) => {
            let post = expect_reply!(reply, Posted);
            let path = urls::with_query("/board", &[("space", ask.space().as_deref())]);
            let said = if re.is_some() {
                msg("Your reply is on the board.")
            } else {
                msg("Your notice is on the board.")
            };
            let path = ask.leave(&path, Flash::Done(said, Vec::new()));
            Ok(see(&format!("{path}#p-{}", urls::encode(&post.id))))
        }
        Err(refusal) => {
            let v = View::new(&ask, Nav::Board).troubled(&refusal);
            let shown = Page { draft: text, draft_re: re, ..board(&ask, v).await? };
            Ok(page_with(status_of(&refusal), &shown))
        }
    }
}

/// Says by how much, which the node does not.
fn too_long(text: &str) -> Option<Refusal> {
    let over = text.len().checked_sub(MAX_TEXT).filter(|over| *over > 0)?;
    let message = format!(
        "a notice has at most 3,500 bytes, and this is {over} too long: \
         plain letters are one byte each, umlauts two, emoji four and more"
    );
    Some(Refusal::new(RefusalKind::Invalid, message))
}

pub(crate) async fn remove(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::PostRemove { space: ask.space(), id: ask.form.text("id") }).await?;
    let path = urls::with_query("/board", &[("space", ask.space().as_deref())]);
    Ok(see(&ask.leave(&path, Flash::Done(msg("The notice is taken back."), Vec::new()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_hang_below_their_notice_in_the_order_they_came() {
        let posts = vec![
            post("d", 5, Some("b")),
            post("c", 4, None),
            post("b", 3, Some("a")),
            post("a", 2, None),
            post("x", 1, Some("gone")),
        ];
        let shape: Vec<(String, Vec<String>)> = threads(posts)
            .into_iter()
            .map(|thread| {
                (thread.post.id, thread.replies.into_iter().map(|reply| reply.id).collect())
            })
            .collect();
        assert_eq!(
            shape,
            [
                ("a".into(), vec!["b".to_owned(), "d".into()]),
                ("c".into(), vec![]),
                ("x".into(), vec![]),
            ]
        );
    }

    #[test]
    fn a_text_is_measured_in_bytes_and_told_how_many_are_too_many() {
        assert_eq!(too_long(&"ü".repeat(MAX_TEXT / 2)), None);
        let refusal = too_long(&"ü".repeat(MAX_TEXT / 2 + 3)).unwrap();
        assert!(refusal.message.contains("this is 6 too long"), "{}", refusal.message);
    }

    #[test]
    fn posts_that_answer_each_other_in_a_circle_end() {
        let posts = vec![post("a", 2, Some("b")), post("b", 1, Some("a")), post("c", 1, Some("c"))];
        assert!(threads(posts).len() <= 3);
    }

    fn post(id: &str, time: u64, re: Option<&str>) -> Post {
        Post {
            id: id.into(),
            text: "text".into(),
            author: "did:key:z".into(),
            author_name: "Ada".into(),
            time,
            re: re.map(str::to_owned),
            cursor: id.into(),
            removable: false,
        }
    }
}
