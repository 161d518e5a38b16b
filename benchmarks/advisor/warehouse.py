"""
A warehouse of sales: seven tables, nineteen analytical statements over most of their rows.

The data are made by the server, the same every time. `scale` 1.0 is 1.2 million order lines.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE area (area_id int PRIMARY KEY, name text NOT NULL, continent text NOT NULL);
CREATE TABLE vendor (vendor_id int PRIMARY KEY, name text NOT NULL, area_id int NOT NULL,
    balance numeric(12,2) NOT NULL, remark text NOT NULL);
CREATE TABLE client (client_id int PRIMARY KEY, name text NOT NULL, area_id int NOT NULL,
    segment text NOT NULL, balance numeric(12,2) NOT NULL, phone text NOT NULL);
CREATE TABLE article (article_id int PRIMARY KEY, name text NOT NULL, maker text NOT NULL,
    brand text NOT NULL, kind text NOT NULL, size int NOT NULL, box text NOT NULL,
    price numeric(12,2) NOT NULL);
CREATE TABLE offer (article_id int NOT NULL, vendor_id int NOT NULL, available int NOT NULL,
    cost numeric(12,2) NOT NULL, remark text NOT NULL, PRIMARY KEY (article_id, vendor_id));
CREATE TABLE sale (sale_id int PRIMARY KEY, client_id int NOT NULL, status text NOT NULL,
    total numeric(12,2) NOT NULL, sold_on date NOT NULL, urgency text NOT NULL, clerk text NOT NULL,
    remark text NOT NULL);
CREATE TABLE sale_line (sale_id int NOT NULL, line int NOT NULL, article_id int NOT NULL,
    vendor_id int NOT NULL, quantity numeric(8,2) NOT NULL, amount numeric(12,2) NOT NULL,
    discount numeric(4,2) NOT NULL, tax numeric(4,2) NOT NULL, returned text NOT NULL,
    state text NOT NULL, sent_on date NOT NULL, promised_on date NOT NULL,
    received_on date NOT NULL, handling text NOT NULL, carrier text NOT NULL,
    remark text NOT NULL, PRIMARY KEY (sale_id, line));
"""

DATA = """
INSERT INTO area SELECT i, 'area ' || i, (ARRAY['north','south','east','west','middle'])[1 + i % 5]
FROM generate_series(0, 24) i;
INSERT INTO vendor SELECT i, 'vendor ' || i, r(i, 1, 25), r(i, 2, 1100000) / 100.0 - 1000,
    repeat('vendor remark ', 4) FROM generate_series(1, {vendors}) i;
INSERT INTO client SELECT i, 'client ' || i, r(i, 3, 25),
    (ARRAY['cars','homes','machines','furniture','building'])[1 + r(i, 4, 5)],
    r(i, 5, 1100000) / 100.0 - 1000, (10 + r(i, 3, 25)) || '-' || r(i, 6, 9999999)
FROM generate_series(1, {clients}) i;
INSERT INTO article SELECT i, 'article ' || i || ' ' || (ARRAY['green','red','blue','lime','rose'])
    [1 + r(i, 7, 5)], 'maker ' || r(i, 8, 5), 'brand ' || r(i, 9, 25), 'kind ' || r(i, 10, 150),
    1 + r(i, 11, 50), 'box ' || r(i, 12, 40), 900 + r(i, 13, 110000) / 100.0
FROM generate_series(1, {articles}) i;
INSERT INTO offer SELECT i, 1 + (i * 4 + j * ({vendors} / 4)) % {vendors}, r(i * 4 + j, 14, 10000),
    r(i * 4 + j, 15, 100000) / 100.0, repeat('offer remark ', 8)
FROM generate_series(1, {articles}) i, generate_series(0, 3) j;
INSERT INTO sale SELECT i, 1 + r(i, 16, {clients}),
    (ARRAY['done','done','done','open','part'])[1 + r(i, 17, 5)], 1000 + r(i, 18, 40000000) / 100.0,
    date '2018-01-01' + r(i, 19, 2400), (ARRAY['1-urgent','2-high','3-medium','4-low','5-none'])
    [1 + r(i, 20, 5)], 'clerk ' || r(i, 21, 1000), repeat('sale remark ', 4)
FROM generate_series(1, {sales}) i;
INSERT INTO sale_line SELECT s.sale_id, l, 1 + r(s.sale_id * 7 + l, 22, {articles}),
    1 + r(s.sale_id * 7 + l, 23, {vendors}), 1 + r(s.sale_id * 7 + l, 24, 50),
    900 + r(s.sale_id * 7 + l, 25, 9000000) / 100.0, r(s.sale_id * 7 + l, 26, 11) / 100.0,
    r(s.sale_id * 7 + l, 27, 9) / 100.0, (ARRAY['n','n','a','r'])[1 + r(s.sale_id * 7 + l, 28, 4)],
    CASE WHEN s.sold_on > date '2022-01-01' THEN 'open' ELSE 'final' END,
    s.sold_on + 1 + r(s.sale_id * 7 + l, 29, 120), s.sold_on + 30 + r(s.sale_id * 7 + l, 30, 60),
    s.sold_on + 3 + r(s.sale_id * 7 + l, 31, 150),
    (ARRAY['in person','collect','none','take back'])[1 + r(s.sale_id * 7 + l, 32, 4)],
    (ARRAY['mail','ship','air','truck','rail','bike','boat'])[1 + r(s.sale_id * 7 + l, 33, 7)],
    repeat('line remark ', 2)
FROM sale s, generate_series(1, 4) l;
"""


def sizes(scale: float) -> dict[str, int]:
    return {
        "vendors": max(40, int(2_000 * scale)),
        "clients": int(30_000 * scale),
        "articles": int(40_000 * scale),
        "sales": int(300_000 * scale),
    }


STATEMENTS = (
    # the price list of what was sent up to a day
    """SELECT returned, state, sum(quantity), sum(amount), sum(amount * (1 - discount)), avg(tax),
       count(*) FROM sale_line WHERE sent_on <= date '2024-06-01' GROUP BY returned, state
       ORDER BY returned, state""",
    # the largest open sales of a segment
    """SELECT l.sale_id, sum(l.amount * (1 - l.discount)) AS value, s.sold_on
       FROM client c, sale s, sale_line l WHERE c.segment = 'building' AND c.client_id = s.client_id
       AND l.sale_id = s.sale_id AND s.sold_on < date '2020-03-15' AND l.sent_on > date '2020-03-15'
       GROUP BY l.sale_id, s.sold_on ORDER BY value DESC, s.sold_on LIMIT 10""",
    # late sales of a quarter by urgency
    """SELECT urgency, count(*) FROM sale s WHERE s.sold_on >= date '2021-07-01'
       AND s.sold_on < date '2021-10-01' AND EXISTS (SELECT 1 FROM sale_line l
       WHERE l.sale_id = s.sale_id AND l.promised_on < l.received_on)
       GROUP BY urgency ORDER BY urgency""",
    # revenue by area of a continent
    """SELECT a.name, sum(l.amount * (1 - l.discount)) AS revenue FROM client c, sale s, sale_line l,
       vendor v, area a WHERE c.client_id = s.client_id AND l.sale_id = s.sale_id
       AND l.vendor_id = v.vendor_id AND c.area_id = v.area_id AND v.area_id = a.area_id
       AND a.continent = 'east' AND s.sold_on >= date '2020-01-01' AND s.sold_on < date '2021-01-01'
       GROUP BY a.name ORDER BY revenue DESC""",
    # what a discount gave away
    """SELECT sum(amount * discount) FROM sale_line WHERE sent_on >= date '2020-01-01'
       AND sent_on < date '2021-01-01' AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24""",
    # trade between two areas
    """SELECT date_part('year', l.sent_on), sum(l.amount) FROM vendor v, sale_line l, sale s, client c
       WHERE v.vendor_id = l.vendor_id AND s.sale_id = l.sale_id AND c.client_id = s.client_id
       AND v.area_id = 3 AND c.area_id = 7 AND l.sent_on BETWEEN date '2019-01-01'
       AND date '2020-12-31' GROUP BY 1""",
    # profit on green articles
    """SELECT a.name, date_part('year', s.sold_on), sum(l.amount - o.cost * l.quantity)
       FROM article p, vendor v, sale_line l, offer o, sale s, area a
       WHERE v.vendor_id = l.vendor_id AND o.vendor_id = l.vendor_id AND o.article_id = l.article_id
       AND p.article_id = l.article_id AND s.sale_id = l.sale_id AND v.area_id = a.area_id
       AND p.name LIKE '%green%' AND p.kind = 'kind 17' GROUP BY 1, 2""",
    # who returned most in a quarter
    """SELECT c.client_id, c.name, sum(l.amount) AS lost, c.balance FROM client c, sale s, sale_line l
       WHERE c.client_id = s.client_id AND l.sale_id = s.sale_id AND s.sold_on >= date '2019-10-01'
       AND s.sold_on < date '2020-01-01' AND l.returned = 'r'
       GROUP BY c.client_id, c.name, c.balance ORDER BY lost DESC LIMIT 20""",
    # important stock of an area
    """SELECT o.article_id, sum(o.cost * o.available) AS value FROM offer o, vendor v
       WHERE o.vendor_id = v.vendor_id AND v.area_id = 11 GROUP BY o.article_id
       ORDER BY value DESC LIMIT 100""",
    # carriers and late lines of a year
    """SELECT l.carrier, count(*) FROM sale s, sale_line l WHERE s.sale_id = l.sale_id
       AND l.carrier IN ('mail', 'ship') AND l.promised_on < l.received_on
       AND l.sent_on < l.promised_on AND l.received_on >= date '2021-01-01'
       AND l.received_on < date '2022-01-01' GROUP BY l.carrier ORDER BY l.carrier""",
    # sales per client, by their number
    """SELECT n, count(*) FROM (SELECT c.client_id, count(s.sale_id) AS n FROM client c
       LEFT JOIN sale s ON c.client_id = s.client_id GROUP BY c.client_id) counted
       GROUP BY n ORDER BY n DESC""",
    # the share of a kind in a month
    """SELECT 100 * sum(CASE WHEN a.kind LIKE 'kind 1%' THEN l.amount ELSE 0 END) / sum(l.amount)
       FROM sale_line l, article a WHERE l.article_id = a.article_id
       AND l.sent_on >= date '2022-09-01' AND l.sent_on < date '2022-10-01'""",
    # the best vendor of a quarter
    """WITH revenue AS (SELECT vendor_id, sum(amount * (1 - discount)) AS total FROM sale_line
       WHERE sent_on >= date '2020-01-01' AND sent_on < date '2020-04-01' GROUP BY vendor_id)
       SELECT v.vendor_id, v.name, total FROM vendor v, revenue r WHERE v.vendor_id = r.vendor_id
       AND total = (SELECT max(total) FROM revenue)""",
    # how many vendors offer what
    """SELECT a.brand, a.kind, a.size, count(DISTINCT o.vendor_id) FROM offer o, article a
       WHERE a.article_id = o.article_id AND a.brand <> 'brand 4' AND a.size IN (3, 9, 14, 19)
       AND o.vendor_id NOT IN (SELECT vendor_id FROM vendor WHERE balance < -900)
       GROUP BY a.brand, a.kind, a.size""",
    # small quantities of one brand
    """SELECT sum(l.amount) / 7.0 FROM sale_line l, article a WHERE a.article_id = l.article_id
       AND a.brand = 'brand 23' AND a.box = 'box 12' AND l.quantity < 5""",
    # large sales
    """SELECT c.name, s.sale_id, s.total, sum(l.quantity) FROM client c, sale s, sale_line l
       WHERE s.total > 400500 AND c.client_id = s.client_id AND s.sale_id = l.sale_id
       GROUP BY c.name, s.sale_id, s.total ORDER BY s.total DESC LIMIT 100""",
    # boxes by air, in person
    """SELECT sum(l.amount * (1 - l.discount)) FROM sale_line l, article a
       WHERE a.article_id = l.article_id AND l.handling = 'in person' AND l.carrier = 'air'
       AND ((a.brand = 'brand 12' AND a.size BETWEEN 1 AND 5 AND l.quantity BETWEEN 1 AND 11)
       OR (a.brand = 'brand 3' AND a.size BETWEEN 1 AND 15 AND l.quantity BETWEEN 20 AND 30))""",
    # vendors that kept others waiting
    """SELECT v.name, count(*) FROM vendor v, sale_line l, sale s WHERE v.vendor_id = l.vendor_id
       AND s.sale_id = l.sale_id AND s.status = 'part' AND l.received_on > l.promised_on
       AND v.area_id = 5 GROUP BY v.name ORDER BY 2 DESC LIMIT 100""",
    # clients with money and without sales
    """SELECT substr(c.phone, 1, 2), count(*), sum(c.balance) FROM client c
       WHERE substr(c.phone, 1, 2) IN ('13', '31', '23') AND c.balance > 5000
       AND NOT EXISTS (SELECT 1 FROM sale s WHERE s.client_id = c.client_id) GROUP BY 1""",
)
