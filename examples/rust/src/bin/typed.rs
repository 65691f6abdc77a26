//! Typed messages: a server and a client in one program that talk in the game's own types.
//!
//! ```console
//! $ cargo run -p tme-examples --bin typed
//! ```
#![forbid(unsafe_code)]

use std::time::Duration;

use tme::{Channel, Client, Decode, Encode, Event, Message, MessageSet, Server};

/// The id and five bytes: two bits for the weapon, eleven for each number. Two more for what was added.
#[derive(Clone, Debug, Encode, Decode, Message)]
#[tme(id = 1, channel = "orders")]
struct Fire {
    #[tme(range = 0..=3)]
    weapon: u8,
    #[tme(range = -1.0..=1.0, precision = 0.001)]
    direction: [f32; 3],
    /// A later version has added this. Programs that do not know it skip it.
    #[tme(since = 2)]
    is_charged: bool,
}

#[derive(Clone, Debug, Encode, Decode)]
enum Target {
    Nothing,
    Wall {
        hardness: u8,
    },
    /// What a program makes of targets that it does not know.
    #[tme(other)]
    Something,
    #[tme(since = 3)]
    Player(String),
}

#[derive(Clone, Debug, Encode, Decode, Message)]
#[tme(id = 2, channel = "news")]
struct Hit {
    #[tme(varint)]
    points: u32,
    target: Target,
}

tme::messages! {
    /// All that is said in this game.
    #[derive(Debug)]
    enum Packet { Fire, Hit }
}

fn main() -> Result<(), tme::Error> {
    let messages = Packet::messages();
    println!("the schema, whose hash {:016x} both sides compare:\n{}", messages.hash(), messages.schema());

    let mut server = Server::builder()
        .listen("127.0.0.1:0")
        .channel(Channel::reliable_ordered("orders"))
        .channel(Channel::reliable_ordered("news"))
        .messages(&messages)
        .start()?;
    let mut client = Client::builder()
        .connect(server.local_addr().to_string())
        .server_key(server.public_key())
        .messages(&messages)
        .start()?;

    loop {
        client.update(Duration::from_millis(2))?;
        for event in client.events() {
            match event {
                Event::Connected { .. } => {
                    let direction = [0.6, 0.0, -0.8];
                    client.send_message(&Fire { weapon: 2, direction, is_charged: true })?;
                }
                Event::Message { payload, .. } => {
                    if let Some(hit) = payload.message::<Hit>()? {
                        println!("the client hears of {hit:?}");
                        return Ok(());
                    }
                }
                Event::Disconnected { reason, .. } => println!("refused: {reason}"),
                _ => {}
            }
        }
        server.update(Duration::ZERO)?;
        for event in server.events() {
            if let Event::Message { peer, payload, .. } = event {
                match Packet::read(&payload)? {
                    Packet::Fire(fire) => {
                        println!("the server got {} bytes: {fire:?}", payload.len());
                        let target = match fire.weapon {
                            0 => Target::Nothing,
                            1 => Target::Wall { hardness: 9 },
                            _ => Target::Player("Ann".to_owned()),
                        };
                        server.send_message(peer, &Hit { points: 300, target })?;
                    }
                    Packet::Hit(_) => println!("only a server says who was hit"),
                }
            }
        }
    }
}
