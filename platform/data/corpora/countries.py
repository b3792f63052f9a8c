"""Countries with what is said of them: a table of 112, each name one word.

The facts are those of The World Factbook (public domain) as of 2015, large cities beside them;
spelling without accents. Left out are countries whose name or capital has several words, and those
of which it names no capital or several.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """One country.

    Attributes:
        name: of the country.
        capital: of its government.
        adjective: what comes from there.
        currency: what is paid with.
        language: the most spoken official one.
        city: another large city.
        continent: where it lies.
    """

    name: str
    capital: str
    adjective: str
    currency: str
    language: str
    city: str
    continent: str


_TABLE = """
Africa
Algeria Algiers Algerian dinar Arabic Oran|Angola Luanda Angolan kwanza Portuguese Huambo
Cameroon Yaounde Cameroonian franc French Douala|Egypt Cairo Egyptian pound Arabic Alexandria
Eritrea Asmara Eritrean nakfa Tigrinya Massawa|Gabon Libreville Gabonese franc French Franceville
Ghana Accra Ghanaian cedi English Kumasi|Guinea Conakry Guinean franc French Kankan
Kenya Nairobi Kenyan shilling Swahili Mombasa|Liberia Monrovia Liberian dollar English Buchanan
Libya Tripoli Libyan dinar Arabic Benghazi|Malawi Lilongwe Malawian kwacha Chichewa Blantyre
Madagascar Antananarivo Malagasy ariary Malagasy Toamasina|Mali Bamako Malian franc French Sikasso
Mauritania Nouakchott Mauritanian ouguiya Arabic Nouadhibou
Morocco Rabat Moroccan dirham Arabic Casablanca
Mozambique Maputo Mozambican metical Portuguese Beira
Namibia Windhoek Namibian dollar English Swakopmund|Niger Niamey Nigerien franc French Zinder
Nigeria Abuja Nigerian naira English Lagos|Rwanda Kigali Rwandan franc Kinyarwanda Butare
Senegal Dakar Senegalese franc French Thies|Somalia Mogadishu Somali shilling Somali Kismayo
Sudan Khartoum Sudanese pound Arabic Omdurman|Tanzania Dodoma Tanzanian shilling Swahili Arusha
Togo Lome Togolese franc French Sokode|Tunisia Tunis Tunisian dinar Arabic Sfax
Uganda Kampala Ugandan shilling English Entebbe|Zambia Lusaka Zambian kwacha English Ndola
Zimbabwe Harare Zimbabwean dollar English Bulawayo
Asia
Afghanistan Kabul Afghan afghani Dari Herat|Armenia Yerevan Armenian dram Armenian Gyumri
Azerbaijan Baku Azerbaijani manat Azerbaijani Ganja|Bahrain Manama Bahraini dinar Arabic Muharraq
Bangladesh Dhaka Bangladeshi taka Bengali Chittagong|Bhutan Thimphu Bhutanese ngultrum Dzongkha Paro
China Beijing Chinese yuan Mandarin Shanghai|Georgia Tbilisi Georgian lari Georgian Batumi
Indonesia Jakarta Indonesian rupiah Indonesian Surabaya|Iran Tehran Iranian rial Persian Isfahan
Iraq Baghdad Iraqi dinar Arabic Basra|Japan Tokyo Japanese yen Japanese Osaka
Jordan Amman Jordanian dinar Arabic Irbid|Kazakhstan Astana Kazakh tenge Kazakh Almaty
Kyrgyzstan Bishkek Kyrgyz som Kyrgyz Osh|Laos Vientiane Laotian kip Lao Pakse
Lebanon Beirut Lebanese pound Arabic Sidon|Mongolia Ulaanbaatar Mongolian tugrik Mongolian Darkhan
Nepal Kathmandu Nepali rupee Nepali Pokhara|Oman Muscat Omani rial Arabic Salalah
Pakistan Islamabad Pakistani rupee Urdu Karachi|Philippines Manila Philippine peso Filipino Cebu
Qatar Doha Qatari riyal Arabic Dukhan|Syria Damascus Syrian pound Arabic Aleppo
Tajikistan Dushanbe Tajikistani somoni Tajik Khujand|Thailand Bangkok Thai baht Thai Phuket
Turkey Ankara Turkish lira Turkish Izmir|Turkmenistan Ashgabat Turkmen manat Turkmen Balkanabat
Uzbekistan Tashkent Uzbekistani sum Uzbek Samarkand
Vietnam Hanoi Vietnamese dong Vietnamese Haiphong
Yemen Sanaa Yemeni rial Arabic Aden
Europe
Albania Tirana Albanian lek Albanian Durres|Austria Vienna Austrian euro German Graz
Belarus Minsk Belarusian ruble Belarusian Gomel|Belgium Brussels Belgian euro Dutch Antwerp
Bulgaria Sofia Bulgarian lev Bulgarian Plovdiv|Croatia Zagreb Croatian kuna Croatian Split
Czechia Prague Czech koruna Czech Brno|Denmark Copenhagen Danish krone Danish Aarhus
Estonia Tallinn Estonian euro Estonian Tartu|Finland Helsinki Finnish euro Finnish Tampere
France Paris French euro French Lyon|Germany Berlin German euro German Munich
Greece Athens Greek euro Greek Patras|Hungary Budapest Hungarian forint Hungarian Debrecen
Iceland Reykjavik Icelandic krona Icelandic Akureyri|Ireland Dublin Irish euro English Cork
Italy Rome Italian euro Italian Milan|Latvia Riga Latvian euro Latvian Daugavpils
Lithuania Vilnius Lithuanian euro Lithuanian Kaunas|Moldova Chisinau Moldovan leu Moldovan Balti
Norway Oslo Norwegian krone Norwegian Bergen|Poland Warsaw Polish zloty Polish Krakow
Portugal Lisbon Portuguese euro Portuguese Porto|Romania Bucharest Romanian leu Romanian Timisoara
Russia Moscow Russian ruble Russian Kazan|Serbia Belgrade Serbian dinar Serbian Subotica
Slovakia Bratislava Slovak euro Slovak Kosice|Slovenia Ljubljana Slovenian euro Slovenian Maribor
Spain Madrid Spanish euro Spanish Seville|Sweden Stockholm Swedish krona Swedish Gothenburg
Switzerland Bern Swiss franc German Zurich|Ukraine Kyiv Ukrainian hryvnia Ukrainian Odesa
America
Bahamas Nassau Bahamian dollar English Freeport|Belize Belmopan Belizean dollar English Dangriga
Brazil Brasilia Brazilian real Portuguese Recife|Canada Ottawa Canadian dollar English Toronto
Chile Santiago Chilean peso Spanish Concepcion|Colombia Bogota Colombian peso Spanish Medellin
Cuba Havana Cuban peso Spanish Camaguey|Ecuador Quito Ecuadorian dollar Spanish Guayaquil
Guyana Georgetown Guyanese dollar English Linden
Honduras Tegucigalpa Honduran lempira Spanish Choluteca
Jamaica Kingston Jamaican dollar English Mandeville
Nicaragua Managua Nicaraguan cordoba Spanish Masaya
Paraguay Asuncion Paraguayan guarani Spanish Encarnacion|Peru Lima Peruvian sol Spanish Arequipa
Suriname Paramaribo Surinamese dollar Dutch Lelydorp|Uruguay Montevideo Uruguayan peso Spanish Salto
Venezuela Caracas Venezuelan bolivar Spanish Maracaibo
Oceania
Australia Canberra Australian dollar English Sydney|Fiji Suva Fijian dollar English Lautoka
"""


def _countries() -> tuple[Country, ...]:
    found, continent = [], ""
    for line in _TABLE.strip().split("\n"):
        if " " not in line:
            continent = line
            continue
        for entry in line.split("|"):
            name, capital, adjective, currency, language, city = entry.split()
            found.append(Country(name, capital, adjective, currency, language, city, continent))
    return tuple(sorted(found, key=lambda one: one.name))


COUNTRIES = _countries()
"""In the order of the alphabet."""
